"""The gateway's use cases: who may do what, checked before anything is written."""
