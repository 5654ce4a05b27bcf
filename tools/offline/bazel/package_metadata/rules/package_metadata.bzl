"""The rule package_metadata: where a package comes from, as a file."""

load("//providers:package_metadata_info.bzl", "PackageMetadataInfo")

def _impl(ctx):
    out = ctx.actions.declare_file(ctx.label.name + ".package-metadata.json")
    ctx.actions.write(out, json.encode({"attributes": {}, "label": str(ctx.label), "purl": ctx.attr.purl}))
    files = depset([out])
    return [DefaultInfo(files = files), PackageMetadataInfo(files = files, metadata = out)]

_package_metadata = rule(
    implementation = _impl,
    attrs = {"purl": attr.string(mandatory = True)},
    provides = [PackageMetadataInfo],
)

# buildifier: disable=unused-variable
def package_metadata(*, name, purl, attributes = [], visibility = None):
    _package_metadata(name = name, purl = purl, visibility = visibility, applicable_licenses = [])
