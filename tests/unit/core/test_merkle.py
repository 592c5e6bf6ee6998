"""Vectors: the test data of RFC 6962's reference implementation (certificate-transparency)."""

from __future__ import annotations

import hashlib

import pytest

from services.core.merkle import (
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root,
    verify_consistency,
    verify_inclusion,
)

ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
NODE_1_OF_5 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
NODE_6_7 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
NODE_4_5 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"


def test_the_root_of_nothing_is_the_hash_of_nothing() -> None:
    assert root([]) == hashlib.sha256(b"").digest()


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_reference(size: int) -> None:
    assert root(LEAVES[:size]).hex() == ROOTS[size - 1]


def test_proofs_are_those_of_the_reference() -> None:
    inclusion = [node.hex() for node in inclusion_proof(5, LEAVES)]
    assert inclusion == [NODE_1_OF_5, NODE_6_7, ROOTS[3]]
    consistency = [node.hex() for node in consistency_proof(6, LEAVES)]
    assert consistency == [NODE_4_5, NODE_6_7, ROOTS[3]]


def test_every_proof_of_every_small_tree_verifies_and_no_other_does() -> None:
    leaves = [leaf_hash(bytes([n])) for n in range(20)]
    roots = [root(leaves[:size]) for size in range(21)]
    for size in range(1, 21):
        for index in range(size):
            proof = inclusion_proof(index, leaves[:size])
            assert verify_inclusion(index, size, leaves[index], proof, roots[size])
            assert not verify_inclusion(index, size, leaves[index - 1], proof, roots[size]) or (
                size == 1
            )
            assert not verify_inclusion(index, size, leaves[index], proof[:-1], roots[size]) or (
                not proof
            )
            assert not verify_inclusion(index, size, leaves[index], (*proof, b""), roots[size])
            assert not verify_inclusion(index, size, leaves[index], proof, roots[size - 1])
        for old in range(1, size + 1):
            steps = consistency_proof(old, leaves[:size])
            assert verify_consistency(old, size, roots[old], roots[size], steps)
            assert not verify_consistency(old, size, roots[old - 1], roots[size], steps)
            assert not verify_consistency(old, size, roots[old], roots[size - 1], steps)
            assert not verify_consistency(old, size, roots[old], roots[size], (*steps, b""))


def test_a_frontier_grows_by_parts_as_by_the_whole() -> None:
    leaves = [leaf_hash(bytes([n])) for n in range(70)]
    grown = Frontier()
    for size, leaf in enumerate(leaves, start=1):
        grown = grown.extend([leaf])
        assert grown == Frontier().extend(leaves[:size])
        assert len(grown.nodes) == size.bit_count()
    assert Frontier().extend(leaves[:33]).extend(leaves[33:]) == grown


def test_a_frontier_must_have_one_node_per_set_bit() -> None:
    with pytest.raises(AssertionError):
        Frontier(3, (b"",))
