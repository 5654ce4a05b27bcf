# The pinned Go toolchain, the modules, and how the go command is run so that the bytes are those of the canonical command
# (`go run ./tools/release command`).
{
  lib,
  pkgs,
  platform,
  table,
  version,
}:
let
  hashes = lib.importJSON ./hashes.json;
  top = "${toString ../..}/";

  # What the go command reads, so that a change of anything else rebuilds nothing; `more` are names at the top that belong
  # to it, too.
  source =
    name: more:
    builtins.path {
      inherit name;
      path = ../..;
      filter =
        path: _:
        let
          file = lib.removePrefix top path;
          under = dir: file == dir || lib.hasPrefix "${dir}/" file;
          notGo = [ "flake.nix" "flake.lock" "LICENSE" "release" ];
        in
        builtins.match "([.].*|[^/]*[.]md|(.*/)?(BUILD|MODULE)[.]bazel([.]lock)?|.*[.]bzl)" file == null
        && !under "tools/offline" && !under "release/nix"
        && !builtins.any under notGo
        || builtins.any under more;
    };

  goVersion = lib.removePrefix "go" table.go;
  # The release of the Go authors, byte for byte, as the go command itself downloads it for a toolchain line.
  goModuleZip =
    let
      file = "v0.0.1-go${goVersion}.${builtins.replaceStrings [ "/" ] [ "-" ] platform}.zip";
    in
    pkgs.fetchurl {
      name = "golang-toolchain-${file}";
      url = "https://go.dev/dl/mod/golang.org/toolchain/@v/${file}";
      hash = hashes.toolchain.${platform};
    };

  # Such a zip has no go.mod but the module's own and marks no file executable; the go command undoes both, too.
  goSdk = pkgs.stdenvNoCC.mkDerivation {
    pname = "go";
    version = goVersion;
    nativeBuildInputs = [ pkgs.unzip ];
    buildCommand = ''
      unzip -q ${goModuleZip}
      mkdir -p "$out"
      mv golang.org/toolchain@*/* "$out"
      find "$out" -name _go.mod | while read -r file; do mv "$file" "''${file%_go.mod}go.mod"; done
      find "$out/bin" "$out/pkg/tool" -type f -exec chmod 755 {} +
    '';
    meta.mainProgram = "go";
  };

  # Every module as a GOPROXY. A vendor directory would do, but for the bytes: build information made from one has no sums.
  goModules = pkgs.stdenvNoCC.mkDerivation {
    name = "quoin-go-modules";
    src = source "quoin-source" [ ];
    nativeBuildInputs = [ goSdk pkgs.cacert ];
    impureEnvVars = lib.fetchers.proxyImpureEnvVars ++ [ "GOPROXY" ];
    buildPhase = ''
      export HOME=$TMPDIR GOTOOLCHAIN=local SSL_CERT_FILE=${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt
      bash ${./go-modules.sh} "$out" ${toString table.platforms}
    '';
    dontInstall = true;
    dontFixup = true;
    outputHashMode = "recursive";
    outputHash = hashes.modules;
  };

  # A derivation whose phases run the go command.
  derivation =
    args:
    pkgs.stdenvNoCC.mkDerivation (
      {
        inherit version;
        src = source "quoin-source" [ ];
        nativeBuildInputs = [ goSdk ];
        dontInstall = true;
        # Nothing may touch what was made: others make the same bytes without nix.
        dontFixup = true;
        disallowedReferences = [ goSdk goModules ];
      }
      // removeAttrs args [ "env" ]
      // {
        # go.sum is still asked about every module, so the sum database need not be.
        env =
          table.environment
          // { GOTOOLCHAIN = table.go; GOPROXY = "file://${goModules}"; GOSUMDB = "off"; }
          // args.env or { };
        configurePhase = "export HOME=$TMPDIR";
      }
    );

  # In one derivation, so that vet and the tests compile what they depend on once. The packages that ship are tested; tests of the
  # repository itself want git and a network, and are run by tools/check.
  test = derivation {
    pname = "quoin-test";
    buildPhase = ''
      mapfile -t modules < <(go list -m)
      go vet "''${modules[@]/%//...}"
      for i in "''${!modules[@]}"; do [ "''${modules[i]}" != quoin.dev/quoin ] || unset "modules[i]"; done
      go test -vet=off "''${modules[@]/%//...}"
      touch "$out"
    '';
  };
in
{
  inherit source goSdk goModules goModuleZip derivation test;

  # Go's own formatter, of the pinned release.
  formatter = pkgs.stdenvNoCC.mkDerivation {
    name = "quoin-format";
    buildCommand = ''
      mkdir -p "$out/bin"
      printf '#!/bin/sh\nexec ${goSdk}/bin/gofmt -l -w "''${@:-.}"\n' > "$out/bin/quoin-format"
      chmod 755 "$out/bin/quoin-format"
    '';
    meta.mainProgram = "quoin-format";
  };

  # For tools/offline/nix.sh, a line for each.
  seeds = builtins.concatStringsSep "\n" [
    goVersion
    platform
    goModuleZip.outPath
    goModuleZip.outputHash
    goModules.outPath
    goModules.outputHash
    (toString table.platforms)
    (toString (builtins.attrNames hashes.toolchain))
  ];
}
