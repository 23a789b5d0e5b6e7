"""Check for IP addresses on the public internet.

This module has its own table, because the one in `ipaddress` lags behind the registries. The table
holds all blocks of the IANA special-purpose address registries (IPv4 and IPv6, as of October 2025),
blocks withdrawn from use, and multicast. Some blocks are registered as globally reachable, such as
those of anycast services. No webhook has its receiver there, so all are refused.
"""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

SPECIAL_IPV4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private use
            "100.64.0.0/10",  # shared address space of carriers
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # a public address, but the host of a machine in Azure
            "169.254.0.0/16",  # link-local, metadata of clouds
            "172.16.0.0/12",  # private use
            "192.0.0.0/24",  # IETF protocol assignments
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112
            "192.52.193.0/24",  # AMT
            "192.88.99.0/24",  # 6to4 relay anycast, withdrawn
            "192.168.0.0/16",  # private use
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarking
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, broadcast
        ),
    )
)
# Global unicast addresses are allocated from here only. So fe80::/10, fec0::/10, fc00::/7,
# ff00::/8, 5f00::/16, 100::/64, 100:0:0:1::/64 and 64:ff9b:1::/48 need no line below.
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
SPECIAL_IPV6 = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "2001::/23",  # IETF protocol assignments: Teredo, benchmarking, ORCHID, ...
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, forwards to the IPv4 address inside
            "2620:4f:8000::/48",  # AS112
            "3ffe::/16",  # 6bone, withdrawn
            "3fff::/20",  # documentation
        ),
    )
)
# Any IPv4 address may be in the last 32 bits, such as ::ffff:10.0.0.1 or 64:ff9b::10.0.0.1.
IPV4_INSIDE = tuple(map(ipaddress.IPv6Network, ("::ffff:0:0/96", "64:ff9b::/96")))
ISATAP = (0x0000_5EFE, 0x0200_5EFE)  # before an IPv4 address, in the last 64 bits


def is_public(address: Address) -> bool:
    """Return True if an address is on the public internet.

    Examples
    --------
    >>> is_public(ipaddress.ip_address("192.0.0.8"))
    False
    """
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in SPECIAL_IPV4)
    ipv4 = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    if any(address in network for network in IPV4_INSIDE):
        return is_public(ipv4)
    if int(address) >> 32 & 0xFFFF_FFFF in ISATAP and not is_public(ipv4):
        return False
    return address in GLOBAL_UNICAST and not any(address in network for network in SPECIAL_IPV6)
