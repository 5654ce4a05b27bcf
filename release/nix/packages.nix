# The packages, all made of the binaries that the canonical command of release/table.json compiles.
{
  self,
  lib,
  pkgs,
  platform,
  table,
  version,
  commit,
  go,
}:
let
  stamp = builtins.replaceStrings [ "{commit}" "{version}" ] [ commit version ];
  dash = builtins.replaceStrings [ "/" ] [ "-" ];
  exe = p: lib.optionalString (lib.hasPrefix "windows/" p) ".exe";

  # One run of the compiler, whose binaries are named after their packages and then after the programs.
  compile =
    p: ldflags: programs: dir:
    let
      called = builtins.filter (r: baseNameOf r.package != r.name) programs;
      args = table.flags ++ [ "-ldflags=${stamp (toString ldflags)}" "-o" ];
    in
    ''
      go build ${lib.escapeShellArgs args} "${dir}/" ${lib.escapeShellArgs (map (r: r.package) programs)}
    ''
    + lib.concatMapStringsSep "" (r: ''
      mv "${dir}/${baseNameOf r.package}${exe p}" "${dir}/${r.name}${exe p}"
    '') called;

  # PLATFORM/PROGRAM and, where there are images, PLATFORM/debug/PROGRAM: what `tools/release build --binaries` takes.
  compiled =
    p:
    go.derivation {
      pname = "quoin-binaries-${dash p}";
      env = {
        GOOS = lib.head (lib.splitString "/" p);
        GOARCH = lib.last (lib.splitString "/" p);
      };
      buildPhase =
        compile p table.ldflags table.programs "$out/${dash p}"
        + lib.optionalString (lib.hasPrefix "linux/" p) (
          compile p table.debugLdflags (table.programs ++ table.debugPrograms) "$out/${dash p}/debug"
        );
    };
  native = "${compiled platform}/${dash platform}";

  # The release tool on binaries that nix has compiled; of what it makes, `keep` becomes the output.
  packed =
    name: platforms: binaries: keep:
    go.derivation {
      pname = name;
      src = go.source "quoin-release-source" [ "LICENSE" "README.md" "release" ];
      buildPhase = ''
        export SOURCE_DATE_EPOCH=${toString self.lastModified}
        go run ./tools/release build --platforms ${platforms} --commit ${commit} --binaries ${binaries} --out "$TMPDIR/dist"
        mv "$TMPDIR/dist"${keep} "$out"
      '';
    };

  meta = {
    homepage = "https://quoin.dev";
    license = lib.licenses.asl20;
  };
  package =
    pname: description: mainProgram: buildCommand:
    pkgs.stdenvNoCC.mkDerivation {
      inherit pname version buildCommand;
      meta = meta // { inherit description mainProgram; };
    };
  completions = name: ''
    for file in bash-completion/completions/${name} zsh/site-functions/_${name} fish/vendor_completions.d/${name}.fish; do
      shell=''${file%%[-/]*}
      mkdir -p "$out/share/''${file%/*}"
      "$out/bin/${name}" completion "$shell" > "$out/share/$file"
    done
  '';

  programs = lib.listToAttrs (
    map (
      p: lib.nameValuePair p.name (package p.name "${p.name} of quoin, alone" p.name ''
        install -D -m 755 ${native}/${p.name} "$out/bin/${p.name}"
      '')
    ) table.programs
  );
in
programs
// lib.listToAttrs (map (p: lib.nameValuePair "binaries-${dash p}" (compiled p)) table.platforms)
// rec {
  default = package "quoin-all" "Strongly consistent key-value store that speaks the etcd v3 API" "quoin" ''
    mkdir -p "$out/bin"
    install -m 755 ${lib.concatMapStringsSep " " (p: "${native}/${p.name}") table.programs} "$out/bin"
    ${completions "quoin"}
    ${completions "quoinctl"}
    ${completions "quoinutl"}
  '';

  # Links under etcd's names, apart, since they clash with the package of etcd.
  etcd-compat = package "quoin-etcd-compat" "quoin under the names of etcd's programs" "etcd" ''
    mkdir -p "$out/bin"
    ${lib.concatMapStringsSep "\n" (p: ''ln -s ${default}/bin/${p.name} "$out/bin/${p.etcdName}"'') (
      builtins.filter (p: p ? etcdName) table.programs
    )}
    ${completions "etcd"}
    ${completions "etcdctl"}
    ${completions "etcdutl"}
  '';

  binaries = pkgs.stdenvNoCC.mkDerivation {
    pname = "quoin-binaries";
    inherit version;
    buildCommand = ''
      mkdir "$out"
      cp -r ${lib.concatMapStringsSep " " (p: "${compiled p}/${dash p}") table.platforms} "$out"
    '';
  };

  release =
    if self ? rev then
      packed "quoin-release" "all" binaries ""
    else
      pkgs.stdenvNoCC.mkDerivation {
        pname = "quoin-release";
        inherit version;
        buildCommand = ''
          echo "the tree has changes that are not committed, so nobody could build the same release: commit them" >&2
          exit 1
        '';
      };
}
// lib.optionalAttrs (lib.hasPrefix "linux/" platform) {
  # A file for docker load.
  image = packed "quoin-image" platform (compiled platform) "/quoin-${version}-${dash platform}.docker.tar";
}
