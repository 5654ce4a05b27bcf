"""The provider of the rule package_metadata."""

PackageMetadataInfo = provider(doc = "Metadata of a package.", fields = ["files", "metadata"])
