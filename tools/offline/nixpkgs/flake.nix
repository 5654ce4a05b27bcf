# A stand-in for nixpkgs, for machines that reach neither GitHub nor cache.nixos.org. tools/offline/nix.sh copies it and adds
# the programs that its derivations run, bin/bash and bin/busybox, and bin/ca-bundle.crt.
#
# It has what flake.nix and release/nix use and nothing else, and must be no more lenient than nixpkgs: whatever is added
# here has to exist there, under the same name, and to fail where that fails.
{
  outputs =
    { self }:
    let
      lib = import ./lib.nix;
    in
    {
      inherit lib;
      legacyPackages = lib.genAttrs [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ] (system: import ./pkgs.nix { inherit system lib; });
    };
}
