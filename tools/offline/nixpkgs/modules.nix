# As much of nixpkgs' module system as a small NixOS module needs: every definition must have a declaration, be of its type
# and not clash.
lib:
let
  inherit (builtins)
    all any attrNames concatLists concatMap elem filter foldl' functionArgs head isAttrs isBool isFunction isInt isList isPath
    isString length mapAttrs match tail typeOf;
  fail = loc: msg: throw "option `${builtins.concatStringsSep "." loc}': ${msg}";
  isTagged = t: v: isAttrs v && v._type or null == t;
  # The values of one name in those sets that have it.
  pick = n: concatMap (s: lib.optional (s ? ${n}) s.${n});

  # mkIf to a list of plain definitions, mkForce and mkDefault to priorities.
  discharge =
    v:
    if isTagged "if" v then (if v.condition then discharge v.content else [ ])
    else if isTagged "merge" v then concatMap discharge v.contents
    else [ v ];
  prioritize =
    defs:
    let
      priority = d: if isTagged "override" d then d.priority else 100;
      best = foldl' (m: d: if priority d < m then priority d else m) 9999 defs;
    in
    map (d: if isTagged "override" d then d.content else d) (filter (d: priority d == best) defs);
  merge =
    loc: type: values:
    let
      defs = prioritize (concatMap discharge values);
      bad = filter (d: !type.check d) defs;
    in
    if bad == [ ] then type.merge loc defs
    else fail loc "a definition of type ${typeOf (head bad)} is not of type `${type.name}'";
  same = loc: defs: if all (d: d == head defs) defs then head defs else fail loc "has conflicting definitions";
  scalar = name: check: { inherit name check; merge = same; };

  types = rec {
    bool = scalar "boolean" isBool;
    int = scalar "signed integer" isInt;
    str = scalar "string" isString;
    port = scalar "16 bit unsigned integer" (v: isInt v && v >= 0 && v <= 65535);
    package = scalar "package" (v: v.type or null == "derivation");
    path = scalar "absolute path" (v: isPath v || (isString v && match "/.*" v != null));
    lines = str // { name = "strings concatenated with newlines"; merge = _: builtins.concatStringsSep "\n"; };
    enum = vs: scalar "one of ${builtins.toJSON vs}" (v: elem v vs);
    nullOr = t: {
      name = "null or ${t.name}";
      check = v: v == null || t.check v;
      merge =
        loc: defs:
        if all (d: d == null) defs then null
        else if any (d: d == null) defs then fail loc "is both null and not null"
        else t.merge loc defs;
    };
    either = a: b: {
      name = "${a.name} or ${b.name}";
      check = v: a.check v || b.check v;
      merge =
        loc: defs:
        if all a.check defs then a.merge loc defs
        else if all b.check defs then b.merge loc defs
        else same loc defs;
    };
    oneOf = ts: foldl' either (head ts) (tail ts);
    listOf = t: {
      name = "list of ${t.name}";
      empty = [ ];
      check = isList;
      merge = loc: concatMap (map (d: merge (loc ++ [ "*" ]) t [ d ]));
    };
    attrsOf = t: {
      name = "attribute set of ${t.name}";
      empty = { };
      check = isAttrs;
      merge =
        loc: defs:
        let
          sets = concatMap discharge defs;
        in
        lib.genAttrs (concatMap attrNames sets) (n: merge (loc ++ [ n ]) t (pick n sets));
    };
    anything = {
      name = "anything";
      check = _: true;
      merge = loc: defs: if all isList defs then concatLists defs else same loc defs;
    };
    submodule = m: {
      name = "submodule";
      empty = { };
      check = v: isAttrs v || isFunction v;
      merge = loc: defs: (evalModules { modules = [ m ] ++ defs; prefix = loc; }).config;
    };
  };

  evalModules =
    { modules, specialArgs ? { }, prefix ? [ ] }:
    let
      args = { inherit lib config options; } // specialArgs;
      argument = n: args.${n} or (throw "module argument ${n} is not given");
      load =
        m:
        let
          v = if isPath m || isString m then import m else m;
          r = if isFunction v then v (args // mapAttrs (n: _: argument n) (functionArgs v)) else v;
          full = r ? config || r ? options;
          odd = filter (n: !elem n [ "config" "options" "imports" "_file" "meta" ]) (attrNames r);
          body = {
            options = r.options or { };
            config = if full then r.config or { } else removeAttrs r [ "imports" "_file" ];
          };
        in
        if full && odd != [ ] then throw "module has both config or options and ${toString odd}"
        else [ body ] ++ concatMap load (r.imports or [ ]);
      loaded = concatMap load modules;
      mergeOptions =
        loc: sets:
        lib.genAttrs (concatMap attrNames sets) (
          n:
          let
            here = pick n sets;
          in
          if !all (isTagged "option") here then mergeOptions (loc ++ [ n ]) here
          else if length here == 1 then head here
          else fail (loc ++ [ n ]) "is declared twice"
        );
      options = mergeOptions prefix (map (m: m.options) loaded);
      # mkIf around a set of definitions is mkIf around each.
      push = concatMap (
        d:
        if isTagged "if" d then map (mapAttrs (_: content: d // { inherit content; })) (push [ d.content ])
        else if isTagged "merge" d then push d.contents
        else [ d ]
      );
      resolve =
        loc: opts: defs:
        let
          sets = push defs;
          unknown = filter (n: !(opts ? ${n})) (concatMap attrNames sets);
          value =
            n: o:
            let
              default = lib.optional (o ? default) { _type = "override"; priority = 1500; content = o.default; };
              given = concatMap discharge (pick n sets) ++ default;
            in
            if given != [ ] then merge (loc ++ [ n ]) o.type given
            else o.type.empty or (fail (loc ++ [ n ]) "is used but not defined");
        in
        if unknown != [ ] then fail (loc ++ [ (head unknown) ]) "does not exist"
        else mapAttrs (n: o: if isTagged "option" o then value n o else resolve (loc ++ [ n ]) o (pick n sets)) opts;
      config = resolve prefix options (map (m: m.config) loaded);
    in
    { inherit config options; };

  declared = [ "type" "default" "defaultText" "description" "example" ];
in
{
  inherit evalModules types;
  mkOption =
    o:
    let
      odd = filter (n: !elem n declared) (attrNames o);
    in
    if odd == [ ] then { type = types.anything; } // o // { _type = "option"; } else throw "mkOption: ${toString odd}";
  mkEnableOption = name: {
    _type = "option";
    type = types.bool;
    default = false;
    description = "Whether to enable ${name}.";
  };
  mkIf = condition: content: { _type = "if"; inherit condition content; };
  mkMerge = contents: { _type = "merge"; inherit contents; };
  mkDefault = content: { _type = "override"; priority = 1000; inherit content; };
  mkForce = content: { _type = "override"; priority = 50; inherit content; };
  literalExpression = text: { _type = "literalExpression"; inherit text; };
}
