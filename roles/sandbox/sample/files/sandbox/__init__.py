"""The sample application of refarch's sandbox: small, but each server it uses does real work."""
