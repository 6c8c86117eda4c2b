"""The wire format: bundles, manifests, envelopes and the trust root, as pure functions without I/O.

Import from the submodules; this package loads none of them, because an app that only reads bundles needs few.
"""
