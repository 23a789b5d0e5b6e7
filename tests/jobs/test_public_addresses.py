"""Addresses in and beside every reserved block, alone and among the answers for a name."""

import ipaddress
import socket
from ipaddress import IPv4Address, IPv6Address
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertone.errors import WebhookRefused
from undertone.jobs import posting
from undertone.jobs.posting import check_url
from undertone.jobs.public_addresses import is_public

# Written out once more, so that a line that is lost in the table is missed here.
RESERVED = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
    "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32", "168.63.129.16/32",
    "::/128", "::1/128", "::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23",
    "2001::/32", "2001:1::1/128", "2001:2::/48", "2001:3::/32", "2001:4:112::/48", "2001:10::/28",
    "2001:20::/28", "2001:30::/28", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48",
    "3ffe::/16", "3fff::/20", "4000::/3", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10",
    "ff00::/8",
]  # fmt: skip
NETWORKS = [ipaddress.ip_network(text) for text in RESERVED]
PUBLIC = ["93.184.215.14", "1.1.1.1", "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8"]
IPV4_NETWORKS = [network for network in NETWORKS if network.version == 4]
PRIVATE_IPV4 = ["10.1.2.3", "127.0.0.1", "192.168.0.1", "169.254.169.254", "192.0.0.192"]


def is_reserved(address: Any) -> bool:
    return any(address in network for network in NETWORKS)


def inside(network: Any) -> list[Any]:
    """Both ends of a block and some addresses between them."""
    random = Random(str(network))
    return [network[0], network[-1], *(network[random.randrange(network.num_addresses)]
                                       for _ in range(50))]  # fmt: skip


def beside(network: Any) -> list[Any]:
    """The addresses just before and behind a block, where they are in no other."""
    kind = type(network[0])
    places = int(network[0]) - 1, int(network[-1]) + 1
    found = [kind(place) for place in places if 0 <= place < 2**network.max_prefixlen]
    return [a for a in found if not is_reserved(a)]


@pytest.mark.parametrize("network", NETWORKS, ids=RESERVED)
def test_in_a_reserved_block(network: Any) -> None:
    for address in inside(network):
        assert not is_public(address), address


@pytest.mark.parametrize("network", NETWORKS, ids=RESERVED)
def test_beside_a_reserved_block(network: Any) -> None:
    for address in beside(network):
        is_allocated = address.version == 4 or address in ipaddress.ip_network("2000::/3")
        assert is_public(address) == is_allocated, address


def test_most_addresses_beside_are_public() -> None:
    """So that the test above says something."""
    near = [a for network in NETWORKS for a in beside(network) if is_public(a)]
    assert len(near) > 30
    assert {address.version for address in near} == {4, 6}


ANY_IPV4 = st.integers(0, 2**32 - 1).map(IPv4Address)
WRAPPERS = ["::ffff:0:0", "64:ff9b::"]  # whose address is the one inside


@given(ANY_IPV4)
def test_an_ipv4_address_is_the_same_however_it_is_wrapped(inner: IPv4Address) -> None:
    assert is_public(inner) is not is_reserved(inner)
    for wrapper in WRAPPERS:
        assert is_public(IPv6Address(int(IPv6Address(wrapper)) | int(inner))) is is_public(inner)


@pytest.mark.parametrize("network", IPV4_NETWORKS, ids=str)
def test_reserved_ipv4_addresses_that_are_wrapped(network: Any) -> None:
    random = Random(str(network))
    for inner in map(int, inside(network)):
        prefix = int(IPv6Address("2a00:1450::")) | random.getrandbits(24) << 64
        wrapped = [
            *(int(IPv6Address(wrapper)) | inner for wrapper in WRAPPERS),
            inner,  # ::10.0.0.1, withdrawn
            int(IPv6Address("::ffff:0:0:0")) | inner,  # IPv4-translated
            int(IPv6Address("64:ff9b:1::")) | inner,  # NAT64 of one's own network
            int(IPv6Address("2002::")) | inner << 80,  # 6to4
            int(IPv6Address("2001::")) | inner << 64,  # server of Teredo
            int(IPv6Address("2001::")) | inner ^ 0xFFFF_FFFF,  # client of Teredo
            prefix | 0x5EFE << 32 | inner,  # ISATAP
            prefix | 0x0200_5EFE << 32 | inner,
        ]
        for address in wrapped:
            assert not is_public(IPv6Address(address)), IPv6Address(address)


@given(st.integers(0, 2**128 - 1).map(IPv6Address))
def test_ipv6_is_public_only_where_it_is_allocated(address: IPv6Address) -> None:
    if is_public(address):
        assert address.is_global
        assert address in ipaddress.ip_network("2000::/3")
        assert not is_reserved(address)


@given(ANY_IPV4 | st.integers(2**125, 2**126 - 1).map(IPv6Address))
def test_nothing_that_python_knows_to_be_inside_is_public(address: Any) -> None:
    assert address.is_global or not is_public(address)


def answering(monkeypatch: pytest.MonkeyPatch, addresses: list[str]) -> None:
    """Have every name stand for these addresses."""

    def look_up(_host: str, port: int, **_: object) -> list[Any]:
        return [(0, 0, 0, "", (address, port)) for address in addresses]

    monkeypatch.setattr(posting.socket, "getaddrinfo", look_up)


@pytest.mark.parametrize("network", NETWORKS, ids=RESERVED)
def test_one_reserved_address_among_public_ones(
    network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(str(network))
    answering(monkeypatch, PUBLIC)
    check_url("https://example.org/hook", allow_private=False)
    for address in inside(network)[:10]:
        answers = [*random.sample(PUBLIC, random.randrange(len(PUBLIC) + 1)), str(address)]
        random.shuffle(answers)
        answering(monkeypatch, answers)
        with pytest.raises(WebhookRefused, match="inner network"):
            check_url("https://example.org/hook", allow_private=False)
        check_url("https://example.org/hook", allow_private=True)


def spellings(address: str) -> list[str]:
    """Ways to write an IPv4 address as the host of a URL."""
    number = int(IPv4Address(address))
    first, *rest = address.split(".")
    return [
        address, str(number), hex(number), oct(number).replace("0o", "0"),
        f"{int(first):#x}.{int.from_bytes(bytes(map(int, rest)))}", f"[::ffff:{address}]",
        f"[64:ff9b::{address}]", f"[::{address}]",
    ]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE_IPV4)
def test_every_way_to_write_one_in_a_url(address: str) -> None:
    """By the system's own resolver, which asks nobody about numbers."""
    for host in spellings(address):
        with pytest.raises(WebhookRefused, match=r"inner network|cannot be found"):
            check_url(f"http://{host}/", allow_private=False)


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_link_local_with_a_zone() -> None:
    with pytest.raises(WebhookRefused):
        check_url("http://[fe80::1%251]/", allow_private=False)
