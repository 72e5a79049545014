"""Evidence and tools for tests: conformance of quantizers, certificates of lowbit itself."""
