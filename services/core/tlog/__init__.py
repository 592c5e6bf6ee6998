"""The transparency log in the C2SP formats: notes, checkpoints, cosignatures, tiles, proofs.

Pure functions over bytes. What signs and verifies is an argument (`services.kit.signing`), what
is stored is `services.kit.tree_store`. Pages: ``docs/reference/transparency-log.md``.
"""
