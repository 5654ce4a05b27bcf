# The NixOS options a service module sets, and the unit files made of them.
{ lib, pkgs }:
name:
let
  t = lib.types;
  opt = type: default: lib.mkOption { inherit type default; };
  strs = opt (t.listOf t.str) [ ];
  value = t.nullOr (t.oneOf [ t.bool t.int t.str t.path t.package ]);
  base = {
    options = {
      assertions = opt (t.listOf t.anything) [ ];
      warnings = strs;
      networking.hostName = opt t.str name;
      users.users = opt (t.attrsOf (t.submodule {
        options = {
          isSystemUser = opt t.bool false;
          group = opt t.str "";
          home = opt t.path "/var/empty";
          description = opt t.str "";
        };
      })) { };
      users.groups = opt (t.attrsOf (t.submodule { options.gid = opt (t.nullOr t.int) null; })) { };
      # Of the kinds of lines only d, which makes a directory.
      systemd.tmpfiles.settings = opt (t.attrsOf (t.attrsOf (t.submodule {
        options.d = opt (t.nullOr (t.submodule {
          options = { user = opt t.str "-"; group = opt t.str "-"; mode = opt t.str "-"; age = opt t.str "-"; };
        })) null;
      }))) { };
      environment.systemPackages = opt (t.listOf t.package) [ ];
      networking.firewall.allowedTCPPorts = opt (t.listOf t.port) [ ];
      systemd.services = opt (t.attrsOf (t.submodule {
        options = {
          enable = opt t.bool true;
          description = opt t.str "";
          documentation = strs;
          wantedBy = strs;
          wants = strs;
          after = strs;
          before = strs;
          requires = strs;
          environment = opt (t.attrsOf value) { };
          path = opt (t.listOf t.package) [ ];
          serviceConfig = opt (t.attrsOf (t.either (t.listOf value) value)) { };
          unitConfig = opt (t.attrsOf (t.either (t.listOf value) value)) { };
          preStart = opt t.lines "";
          script = opt t.lines "";
        };
      })) { };
    };
  };
  text = v: if v == true then "true" else if v == false then "false" else toString v;
  line =
    n: v:
    if v == null then ""
    else if builtins.isList v then lib.concatMapStringsSep "" (line n) v
    else "${n}=${text v}\n";
  section = name: a: "[${name}]\n" + builtins.concatStringsSep "" (lib.mapAttrsToList line a) + "\n";
  unit =
    s:
    section "Unit" (
      {
        Description = s.description;
        Documentation = s.documentation;
        After = s.after;
        Before = s.before;
        Wants = s.wants;
        Requires = s.requires;
      }
      // s.unitConfig
    )
    + section "Service" (
      { Environment = lib.mapAttrsToList (n: v: ''"${n}=${toString v}"'') s.environment; } // s.serviceConfig
    )
    + section "Install" { WantedBy = s.wantedBy; };
in
modules:
let
  r = lib.evalModules { modules = [ base ] ++ modules; specialArgs = { inherit pkgs; }; };
  failed = builtins.filter (a: !a.assertion) r.config.assertions;
in
if failed == [ ] then r // { units = builtins.mapAttrs (_: unit) r.config.systemd.services; }
else throw "Failed assertions: ${toString (map (a: a.message) failed)}"
