# services.quoin: a member as a systemd service. Options are named as those of services.etcd in NixOS, and the unit is that
# of the packages (../quoin.service).
self:
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.services.quoin;
  home = "/var/lib/quoin";
  # systemd makes, and lets the service write to, the directory of its own only.
  elsewhere = !lib.hasPrefix "${home}/" cfg.dataDir;

  # The lines NAME=VALUE of one section of quoin.service.
  section =
    name:
    let
      text = builtins.elemAt (lib.splitString "[${name}]\n" (builtins.readFile ../quoin.service)) 1;
      pairs = map (builtins.match "([A-Za-z]+)=(.*)") (lib.splitString "\n" (builtins.head (lib.splitString "\n[" text)));
    in
    lib.listToAttrs (
      map (pair: lib.nameValuePair (builtins.head pair) (lib.last pair)) (builtins.filter (pair: pair != null) pairs)
    );
  unit = section "Unit";

  text = default: description: mkOption { type = types.str; inherit default description; };
  urls = default: description: mkOption { type = types.listOf types.str; inherit default description; };
  file = description: mkOption { type = types.nullOr types.path; default = null; inherit description; };
  switch = description: mkOption { type = types.bool; default = false; inherit description; };
  withText = defaultText: option: option // { defaultText = lib.literalExpression defaultText; };

  settings = {
    NAME = cfg.name;
    DATA_DIR = cfg.dataDir;
    LISTEN_CLIENT_URLS = lib.concatStringsSep "," cfg.listenClientUrls;
    ADVERTISE_CLIENT_URLS = lib.concatStringsSep "," cfg.advertiseClientUrls;
    LISTEN_PEER_URLS = lib.concatStringsSep "," cfg.listenPeerUrls;
    INITIAL_ADVERTISE_PEER_URLS = lib.concatStringsSep "," cfg.initialAdvertisePeerUrls;
    INITIAL_CLUSTER = lib.concatStringsSep "," cfg.initialCluster;
    INITIAL_CLUSTER_STATE = cfg.initialClusterState;
    INITIAL_CLUSTER_TOKEN = cfg.initialClusterToken;
    CERT_FILE = cfg.certFile;
    KEY_FILE = cfg.keyFile;
    TRUSTED_CA_FILE = cfg.trustedCaFile;
    CLIENT_CERT_AUTH = lib.boolToString cfg.clientCertAuth;
    PEER_CERT_FILE = cfg.peerCertFile;
    PEER_KEY_FILE = cfg.peerKeyFile;
    PEER_TRUSTED_CA_FILE = cfg.peerTrustedCaFile;
    PEER_CLIENT_CERT_AUTH = lib.boolToString cfg.peerClientCertAuth;
  }
  // cfg.extraConf;
in
{
  options.services.quoin = {
    enable = lib.mkEnableOption "quoin, a key-value store that speaks the etcd v3 API";
    package = withText "quoin.packages.\${system}.default" (mkOption {
      type = types.package;
      default = self.packages.${pkgs.stdenv.hostPlatform.system}.default;
      description = "Package with the program quoin; its programs are put into the system's path.";
    });
    name = withText "config.networking.hostName" (
      text config.networking.hostName "Name of this member, unique in the cluster."
    );
    dataDir = text "${home}/default.etcd" "Data directory.";

    listenClientUrls = urls [ "http://127.0.0.1:2379" ] "URLs to listen on for clients.";
    advertiseClientUrls = withText "config.services.quoin.listenClientUrls" (
      urls cfg.listenClientUrls "Client URLs of this member as clients reach it."
    );
    listenPeerUrls = urls [ "http://127.0.0.1:2380" ] "URLs to listen on for other members: IP addresses or localhost.";
    initialAdvertisePeerUrls = withText "config.services.quoin.listenPeerUrls" (
      urls cfg.listenPeerUrls "Peer URLs of this member as the others reach it."
    );
    initialCluster = withText ''map (url: "''${name}=''${url}") initialAdvertisePeerUrls'' (
      urls (map (url: "${cfg.name}=${url}") cfg.initialAdvertisePeerUrls) "Founding members as name=URL."
    );
    initialClusterState = mkOption {
      type = types.enum [ "new" "existing" ];
      default = "new";
      description = "Whether to found a cluster, or to join one after `member add`.";
    };
    initialClusterToken = text "etcd-cluster" "Text that keeps clusters with equal URLs apart.";

    certFile = file "Certificate of the client port.";
    keyFile = file "Key of the client port, readable by the user quoin.";
    trustedCaFile = file "CA certificates that client certificates are checked against.";
    clientCertAuth = switch "Whether clients must show a certificate.";
    peerCertFile = file "Certificate of the peer port.";
    peerKeyFile = file "Key of the peer port, readable by the user quoin.";
    peerTrustedCaFile = file "CA certificates that other members are checked against.";
    peerClientCertAuth = switch "Whether other members must show a certificate.";

    openFirewall = switch "Whether to open the ports of {option}`listenClientUrls` and {option}`listenPeerUrls`.";
    extraConf = mkOption {
      type = types.attrsOf types.str;
      default = { };
      example = { HEARTBEAT_INTERVAL = "200"; };
      description = "Further settings: the flags of `quoin --help` as variables, without ETCD_ in front.";
    };
  };

  config = lib.mkIf cfg.enable {
    environment.systemPackages = [ cfg.package ];
    networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall (
      lib.unique (
        map (url: builtins.fromJSON (builtins.head (builtins.match ".*:([0-9]+)/?" url))) (
          cfg.listenClientUrls ++ cfg.listenPeerUrls
        )
      )
    );
    users.users.quoin = {
      isSystemUser = true;
      group = "quoin";
      inherit home;
      description = "quoin";
    };
    users.groups.quoin = { };
    systemd.tmpfiles.settings = lib.mkIf elsewhere {
      "10-quoin".${cfg.dataDir}.d = { user = "quoin"; group = "quoin"; mode = "0700"; };
    };
    systemd.services.quoin = {
      description = unit.Description;
      documentation = [ unit.Documentation ];
      wants = [ unit.Wants ];
      after = [ unit.After ];
      wantedBy = [ (section "Install").WantedBy ];
      environment = lib.mapAttrs' (name: lib.nameValuePair "ETCD_${name}") (
        lib.filterAttrs (_: value: value != null) settings
      );
      serviceConfig =
        removeAttrs (section "Service") [ "EnvironmentFile" ]
        // { ExecStart = "${cfg.package}/bin/quoin"; }
        // lib.optionalAttrs elsewhere { ReadWritePaths = [ cfg.dataDir ]; };
    };
  };
}
