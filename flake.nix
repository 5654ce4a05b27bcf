{
  description = "quoin, a strongly consistent key-value store that speaks the etcd v3 API";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;

      # What is built, and by which command, is said once for every builder.
      table = lib.importJSON ./release/table.json;
      version = builtins.head (
        builtins.match ".*\nvar Product = \"([^\"]*)\"\n.*" (builtins.readFile ./src/api/version/version.go)
      );
      # As tools/release names it: a tree with changes is HASH-dirty.
      commit =
        self.rev or self.dirtyRev
          or (throw "quoin: programs are stamped with their commit, and this tree is no git checkout: use git+file:, not path:");

      platforms = {
        x86_64-linux = "linux/amd64";
        aarch64-linux = "linux/arm64";
        x86_64-darwin = "darwin/amd64";
        aarch64-darwin = "darwin/arm64";
      };
      programs = map (p: p.name) table.programs;

      perSystem = lib.mapAttrs (
        system: platform:
        let
          pkgs = nixpkgs.legacyPackages.${system};
          go = import ./release/nix/go.nix { inherit lib pkgs platform table version; };
          packages = import ./release/nix/packages.nix { inherit self lib pkgs platform table version commit go; };
        in
        {
          inherit packages;

          # The parts that tools/offline/nix.sh puts into the store where they can not be downloaded by nix.
          legacyPackages = { inherit (go) goSdk goModules goModuleZip seeds; };

          checks = {
            inherit (packages) default etcd-compat;
            inherit (go) test;
          }
          // lib.optionalAttrs (lib.hasPrefix "linux/" platform) (
            import ./release/nix/tests.nix { inherit pkgs; module = self.nixosModules.default; }
          );

          apps =
            let
              app = name: {
                type = "app";
                program = "${packages.${name}}/bin/${name}";
                meta.description = "Run ${name}";
              };
            in
            lib.genAttrs programs app // { default = app "quoin"; };

          devShells.default = pkgs.mkShell {
            packages = [ go.goSdk pkgs.git pkgs.shellcheck ];
            env.GOTOOLCHAIN = table.go;
          };

          formatter = go.formatter;
        }
      ) platforms;
      each = output: lib.mapAttrs (_: s: s.${output}) perSystem;
    in
    {
      packages = each "packages";
      legacyPackages = each "legacyPackages";
      checks = each "checks";
      apps = each "apps";
      devShells = each "devShells";
      formatter = each "formatter";
      overlays.default = final: _: lib.getAttrs programs self.packages.${final.stdenv.hostPlatform.system};
      nixosModules.default = import ./release/nix/module.nix self;
    };
}
