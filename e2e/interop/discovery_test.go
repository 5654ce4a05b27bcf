package interop

import (
	"fmt"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"quoin.dev/quoin/e2e/interop/lab"
)

// TestDiscoveryService founds clusters of quoin and etcd through a discovery cluster of each.
func TestDiscoveryService(t *testing.T) {
	t.Parallel()
	subject := lab.Subject(t)
	for _, registry := range []lab.Kind{subject, lab.Etcd} {
		t.Run(fmt.Sprintf("at %s", registry), func(t *testing.T) {
			t.Parallel()
			service := lab.StartOne(t, registry)
			client := lab.Client(t, service)
			write := func(key, value string) {
				t.Helper()
				must[*clientv3.PutResponse](t)(client.Put(deadline(t), "/_etcd/registry/"+key, value))
			}
			for i, kinds := range [][]lab.Kind{{subject, subject, subject}, {subject, lab.Etcd, subject}, {lab.Etcd, subject, lab.Etcd}} {
				token := fmt.Sprint("t", i)
				write(token+"/_config/size", "3")
				flags := []string{"--discovery-endpoints=http://" + service.Endpoint, "--discovery-token=" + token}
				c := lab.PrepareCluster(t, 3)
				c.Discover(flags...)
				c.Start(t, kinds...)
				for _, m := range c.Members {
					putKey(t, m, m.Name)
					if members := memberList(t, m).Members; len(members) != 3 {
						t.Errorf("%s (%s) has %d members", m.Name, m.Kind, len(members))
					}
				}
				equalContent(t, c.Members...)
				// The places are given away, with both servers in the same words.
				for _, kind := range []lab.Kind{subject, lab.Etcd} {
					late := lab.PrepareCluster(t, 1)
					late.Discover(flags...)
					late.Members[0].Refuses(t, kind)
					late.Members[0].AwaitLog(t, "failed to join discovery cluster (discovery: cluster is full")
				}
				// What a member has founded it finds in its directory from then on, as the other kind, too.
				m := c.Members[0]
				other := lab.Etcd
				if m.Kind == lab.Etcd {
					other = subject
				}
				m.Stop(t)
				m.Start(t, other)
				putKey(t, m, "again")
				equalContent(t, c.Members...)
				for _, m := range c.Members {
					m.Stop(t)
				}
			}
			write("bad/_config/size", "x")
			for _, kind := range []lab.Kind{subject, lab.Etcd} {
				for token, want := range map[string]string{"bad": "discovery: size key is bad", "none": "discovery: size key not found"} {
					refused := lab.PrepareCluster(t, 1)
					refused.Discover("--discovery-endpoints=http://"+service.Endpoint, "--discovery-token="+token)
					refused.Members[0].Refuses(t, kind)
					refused.Members[0].AwaitLog(t, "failed to join discovery cluster ("+want)
				}
			}
		})
	}
}

// TestDiscoveryWithPassword founds a member through a discovery cluster that asks for a password.
func TestDiscoveryWithPassword(t *testing.T) {
	t.Parallel()
	service := lab.StartOne(t, lab.Etcd)
	client := lab.Client(t, service)
	must[*clientv3.PutResponse](t)(client.Put(deadline(t), "/_etcd/registry/t/_config/size", "1"))
	must[*clientv3.AuthRoleAddResponse](t)(client.RoleAdd(deadline(t), "root"))
	must[*clientv3.AuthUserAddResponse](t)(client.UserAdd(deadline(t), "root", "pass:word"))
	must[*clientv3.AuthUserGrantRoleResponse](t)(client.UserGrantRole(deadline(t), "root", "root"))
	must[*clientv3.AuthEnableResponse](t)(client.AuthEnable(deadline(t)))
	flags := []string{"--discovery-endpoints=" + service.Endpoint, "--discovery-token=t", "--discovery-dial-timeout=20s", "--discovery-request-timeout=20s"}
	for _, wrong := range []struct {
		flags []string
		want  string
	}{
		{nil, "user name is empty"},
		{[]string{"--discovery-user=root", "--discovery-password=x"}, "authentication failed, invalid user ID or password"},
	} {
		if lab.Subject(t) == lab.Etcd {
			continue // it asks again for ever
		}
		c := lab.PrepareCluster(t, 1)
		c.Discover(append(wrong.flags, flags...)...)
		c.Members[0].Refuses(t, lab.Subject(t))
		c.Members[0].AwaitLog(t, wrong.want)
	}
	c := lab.PrepareCluster(t, 1)
	c.Discover(append(flags, "--discovery-user=root", "--discovery-password=pass:word")...)
	c.Start(t, lab.Subject(t))
	putKey(t, c.Members[0], "a")
}
