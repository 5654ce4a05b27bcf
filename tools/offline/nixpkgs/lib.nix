# As much of nixpkgs' lib as the flake uses.
let
  lib = {
    # Only what nixpkgs' lib hands on too.
    inherit (builtins) concatMap concatStringsSep head listToAttrs mapAttrs;
    genAttrs = names: f: builtins.listToAttrs (map (name: { inherit name; value = f name; }) names);
    getAttrs = names: set: lib.genAttrs names (name: set.${name});
    filterAttrs = f: a: removeAttrs a (builtins.filter (n: !f n a.${n}) (builtins.attrNames a));
    mapAttrs' = f: a: builtins.listToAttrs (map (n: f n a.${n}) (builtins.attrNames a));
    nameValuePair = name: value: { inherit name value; };
    concatMapStringsSep = sep: f: list: builtins.concatStringsSep sep (map f list);
    mapAttrsToList = f: a: map (n: f n a.${n}) (builtins.attrNames a);
    last = list: builtins.elemAt list (builtins.length list - 1);
    unique = builtins.foldl' (list: x: if builtins.elem x list then list else list ++ [ x ]) [ ];
    splitString = sep: s: builtins.filter builtins.isString (builtins.split (lib.escapeRegex sep) s);
    escapeRegex = let special = [ "." "/" "[" ]; in builtins.replaceStrings special (map (c: "[${c}]") special);
    importJSON = path: builtins.fromJSON (builtins.readFile path);
    boolToString = b: if b then "true" else "false";
    optional = c: x: if c then [ x ] else [ ];
    optionalString = c: s: if c then s else "";
    optionalAttrs = c: a: if c then a else { };
    escapeShellArg =
      a:
      let
        s = toString a;
        plain = builtins.match "[[:alnum:],._+:@%/-]+" s != null;
      in
      if plain then s else "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] s}'";
    escapeShellArgs = lib.concatMapStringsSep " " lib.escapeShellArg;
    hasPrefix = p: s: builtins.substring 0 (builtins.stringLength p) s == p;
    removePrefix = p: s: if lib.hasPrefix p s then builtins.substring (builtins.stringLength p) (-1) s else s;
    isDerivation = v: v.type or null == "derivation";
    fetchers.proxyImpureEnvVars = [
      "http_proxy" "https_proxy" "ftp_proxy" "all_proxy" "no_proxy"
      "HTTP_PROXY" "HTTPS_PROXY" "FTP_PROXY" "ALL_PROXY" "NO_PROXY" "NIX_SSL_CERT_FILE"
    ];
    licenses.asl20 = { spdxId = "Apache-2.0"; };
  } // import ./modules.nix lib;
in
lib
