"""The wire contract: vocabulary, orders, events, and the registry that ties them to topics."""
