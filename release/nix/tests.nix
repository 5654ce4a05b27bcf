# What is tested in virtual machines: that the service starts, keeps what it was given, and makes a cluster.
{ pkgs, module }:
let
  member = settings: {
    imports = [ module ];
    services.quoin = { enable = true; } // settings;
  };
  names = [ "one" "two" "three" ];
in
{
  nixos = pkgs.testers.runNixOSTest {
    name = "quoin";
    nodes.machine = member { };
    testScript = ''
      machine.wait_for_unit("quoin.service")
      machine.wait_for_open_port(2379)
      machine.succeed("quoinctl put greeting hello")
      assert "hello" in machine.succeed("quoinctl get greeting")
      machine.succeed("systemctl restart quoin.service")
      machine.wait_for_open_port(2379)
      assert "hello" in machine.succeed("quoinctl get greeting")
    '';
  };

  nixos-cluster = pkgs.testers.runNixOSTest {
    name = "quoin-cluster";
    nodes = builtins.listToAttrs (
      map (name: {
        inherit name;
        value = member {
          inherit name;
          openFirewall = true;
          listenClientUrls = [ "http://0.0.0.0:2379" ];
          advertiseClientUrls = [ "http://${name}:2379" ];
          listenPeerUrls = [ "http://0.0.0.0:2380" ];
          initialAdvertisePeerUrls = [ "http://${name}:2380" ];
          initialCluster = map (n: "${n}=http://${n}:2380") names;
        };
      }) names
    );
    # The cluster goes on without one of three, which learns afterwards what it has missed.
    testScript = ''
      start_all()
      for member in (one, two, three):
          member.wait_for_unit("quoin.service")
          member.wait_until_succeeds("quoinctl endpoint status")
      one.succeed("quoinctl put greeting hello")
      assert "hello" in two.succeed("quoinctl get greeting")
      three.succeed("systemctl stop quoin.service")
      two.wait_until_succeeds("quoinctl put greeting again")
      three.succeed("systemctl start quoin.service")
      assert "again" in three.wait_until_succeeds("quoinctl get greeting")
    '';
  };
}
