# The few packages, made of static bash and busybox.
{ system, lib }:
let
  # By a name of its own, so that a change of another file here rebuilds nothing.
  host = builtins.path { name = "host"; path = ./bin; };
  # One directory of busybox applets, each under its own name.
  applets = name: names: derivation {
    inherit name system;
    builder = "${host}/bash";
    args = [ "-c" ''
      ${host}/busybox mkdir -p $out/bin
      for a in ${toString names}; do ${host}/busybox ln -s ${host}/busybox $out/bin/$a; done
    '' ];
  };
  # Commands of nixpkgs' stdenv.initialPath (coreutils findutils diffutils sed grep awk tar gzip bzip2 make bash patch xz
  # file) and no others, so that a missing nativeBuildInputs fails here as it would there.
  initialPath = applets "initial-path" [
    "basename" "cat" "chmod" "chown" "cp" "cut" "date" "dirname" "du" "echo" "env" "expr" "false" "head" "id" "install"
    "ln" "ls" "md5sum" "mkdir" "mktemp" "mv" "nproc" "od" "printf" "pwd" "readlink" "realpath" "rm" "rmdir" "seq"
    "sha256sum" "sleep" "sort" "stat" "tail" "tee" "test" "timeout" "touch" "tr" "true" "truncate" "uname" "uniq" "wc" "yes"
    "find" "xargs" "cmp" "diff" "sed" "grep" "egrep" "fgrep" "awk" "tar" "gzip" "gunzip" "zcat" "bzip2" "patch" "xz"
  ];
  bash = derivation {
    name = "bash";
    inherit system;
    builder = "${host}/bash";
    args = [ "-c" ''
      ${host}/busybox mkdir -p $out/bin
      for a in bash sh; do ${host}/busybox cp ${host}/bash $out/bin/$a; done
    '' ];
  };
  stdenvDir = derivation {
    name = "stdenv";
    inherit system;
    builder = "${host}/bash";
    args = [ "-c" ''
      ${host}/busybox mkdir $out
      ${host}/busybox sed 's,@initialPath@,${bash}/bin:${initialPath}/bin,' ${./setup.sh} > $out/setup
    '' ];
  };
  mkDerivation =
    attrs:
    let
      name = attrs.name or "${attrs.pname}-${attrs.version}";
      clash = builtins.attrNames (builtins.intersectAttrs (attrs.env or { }) attrs);
      drv = derivation (
        builtins.removeAttrs attrs [ "meta" "env" ]
        // (if clash == [ ] then attrs.env or { } else throw "${name}: env overlaps ${toString clash}")
        // {
          inherit name system;
          outputs = attrs.outputs or [ "out" ]; # get-env.sh of nix develop reads it
          stdenv = stdenvDir;
          builder = "${bash}/bin/bash";
          args = [ "-e" (builtins.toFile "default-builder.sh" ''
            source $stdenv/setup
            genericBuild
          '') ];
        }
      );
    in
    drv
    // { meta = attrs.meta or { }; };
  fetchurl =
    { name, url, hash }:
    # Nothing is fetched: tools/offline/nix.sh has put the file into the store, where its name and hash decide its path.
    derivation {
      inherit name system url;
      builder = "${host}/bash";
      args = [ "-c" "echo '${name} (${hash}) is not in the store' >&2; exit 1" ];
      outputHash = hash;
      outputHashMode = "flat";
    };
  stdenv.hostPlatform = { inherit system; };
  # A program that only a person in `nix develop` uses, outside of the sandbox: that of this machine.
  ofThisMachine = name: derivation {
    inherit name system;
    builder = "${host}/bash";
    args = [ "-c" ''
      ${host}/busybox mkdir -p $out/bin
      printf '#!/bin/sh\nexec /usr/bin/${name} "$@"\n' > $out/bin/${name}
      ${host}/busybox chmod 755 $out/bin/${name}
    '' ];
  };
in
{
  inherit bash fetchurl system lib stdenv;
  bashInteractive = bash; # nix develop looks for this one
  stdenvNoCC = { inherit mkDerivation; };
  unzip = applets "unzip" [ "unzip" ];
  git = ofThisMachine "git";
  shellcheck = ofThisMachine "shellcheck";
  cacert = derivation {
    name = "cacert";
    inherit system;
    builder = "${host}/bash";
    args = [ "-c" ''
      ${host}/busybox mkdir -p $out/etc/ssl/certs
      ${host}/busybox cp ${host}/ca-bundle.crt $out/etc/ssl/certs/
    '' ];
  };
  # No machine is run here; the modules are evaluated, and come out as NODE/UNIT beside the script of the test.
  testers.runNixOSTest =
    { name, nodes, testScript }:
    let
      units = node: module: (import ./nixos.nix { inherit lib; pkgs = { inherit lib system stdenv; }; } node [ module ]).units;
      files = lib.concatMap (
        node:
        lib.mapAttrsToList (unit: text: { inherit text; path = "${node}/${unit}.service"; }) (units node nodes.${node})
      ) (builtins.attrNames nodes);
    in
    mkDerivation {
      name = "vm-test-run-${name}";
      buildCommand = lib.concatMapStringsSep "\n" (file: ''
        mkdir -p "$out/${dirOf file.path}"
        printf %s ${lib.escapeShellArg file.text} > "$out/${file.path}"
      '') (files ++ [ { path = "./test.py"; text = testScript; } ]);
    };
  mkShell =
    attrs:
    mkDerivation (
      builtins.removeAttrs attrs [ "packages" ]
      // {
        name = attrs.name or "nix-shell";
        nativeBuildInputs = attrs.packages or [ ] ++ attrs.nativeBuildInputs or [ ];
        buildCommand = "export >> $out";
      }
    );
}
