package fault

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"quoin.dev/quoin/robustness/cluster"
	"quoin.dev/quoin/robustness/netfault"
)

var networkKinds = []Kind{
	{Name: "isolate", What: "cuts the victims off from all other members; clients still reach them", inject: cut(around)},
	{Name: "split", What: "cuts the cluster in two: the victims together, and the others together", inject: cut(apart)},
	{Name: "mute", What: "drops what the victims send to other members: they hear, and are not heard", inject: cut(outgoing)},
	{Name: "deaf", What: "drops what other members send to the victims: they are heard, and do not hear", inject: cut(incoming)},
	{Name: "bridge", What: "leaves the victim as the only one that two halves of the cluster both reach", inject: cut(bridge)},
	{Name: "flap", What: "cuts the victims off and lets them back again and again", inject: flap},
	{Name: "delay", What: "makes packets between the victims and the others late", Usual: 100, Unit: "ms", inject: links(func(amount int) netfault.Condition {
		return netfault.Condition{Delay: time.Duration(amount) * time.Millisecond, Jitter: time.Duration(amount) * time.Millisecond / 5}
	})},
	{Name: "loss", What: "loses packets between the victims and the others", Usual: 30, Unit: "percent", inject: links(func(amount int) netfault.Condition {
		return netfault.Condition{LossPercent: amount}
	})},
	{Name: "slow-link", What: "lets few bytes pass between the victims and the others", Usual: 64 << 10, Unit: "bytes a second", inject: links(func(amount int) netfault.Condition {
		return netfault.Condition{BytesPerSecond: amount}
	})},
	{Name: "reset", What: "ends connections between the victims and the others, as soon as they are used", inject: links(func(int) netfault.Condition {
		return netfault.Condition{Reset: true}
	})},
}

// a topology says which links a fault is about.
type topology func(all, victims []*cluster.Member) []netfault.Link

// around are both directions between each victim and everybody else, other victims included.
func around(all, victims []*cluster.Member) []netfault.Link {
	return slices.Concat(outgoing(all, victims), incoming(all, victims))
}

func outgoing(all, victims []*cluster.Member) (links []netfault.Link) {
	for _, v := range victims {
		for _, m := range all {
			if m != v {
				links = append(links, netfault.Link{From: v.Name, To: m.Name})
			}
		}
	}
	return links
}

func incoming(all, victims []*cluster.Member) []netfault.Link {
	links := outgoing(all, victims)
	for i, l := range links {
		links[i] = netfault.Link{From: l.To, To: l.From}
	}
	return links
}

// apart are both directions between each victim and those that are none.
func apart(all, victims []*cluster.Member) (links []netfault.Link) {
	for _, v := range victims {
		for _, m := range all {
			if !slices.Contains(victims, m) {
				links = append(links, netfault.Both(v.Name, m.Name)...)
			}
		}
	}
	return links
}

// bridge are both directions between two halves of those that are not the first victim.
func bridge(all, victims []*cluster.Member) (links []netfault.Link) {
	rest := slices.DeleteFunc(slices.Clone(all), func(m *cluster.Member) bool { return m == victims[0] })
	return apart(rest, rest[:len(rest)/2])
}

func cut(t topology) func(context.Context, *Injection) error {
	return func(_ context.Context, i *Injection) error {
		return i.condition(t(i.Cluster.Members(), i.Victims), netfault.Condition{Drop: true})
	}
}

// links puts a condition on both directions between the victims and the others.
func links(c func(amount int) netfault.Condition) func(context.Context, *Injection) error {
	return func(_ context.Context, i *Injection) error {
		i.detail("%d %s", i.Step.Amount, i.Kind.Unit)
		return i.condition(around(i.Cluster.Members(), i.Victims), c(i.Step.Amount))
	}
}

// condition makes links bad until the fault is healed, and proves that packets felt it.
func (i *Injection) condition(links []netfault.Link, c netfault.Condition) error {
	links = dedupe(links)
	i.onHeal(func(context.Context) error { return i.Net.Clear(links...) })
	i.proof(func(context.Context) (string, error) {
		felt, err := i.felt(links)
		if err == nil && felt.None() {
			err = fmt.Errorf("nothing on %d links was touched", len(links))
		}
		return fmt.Sprintf("%s on %d links felt it", felt, len(links)), err
	})
	return i.Net.Set(c, links...)
}

func dedupe(links []netfault.Link) []netfault.Link {
	slices.SortFunc(links, func(a, b netfault.Link) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(links)
}

// felt is what the links have done something to since they are bad.
func (i *Injection) felt(links []netfault.Link) (all netfault.Count, err error) {
	for _, l := range links {
		n, err := i.Net.Bit(l.From, l.To)
		if err != nil {
			return all, err
		}
		all.Packets, all.Bytes, all.Connections = all.Packets+n.Packets, all.Bytes+n.Bytes, all.Connections+n.Connections
	}
	return all, nil
}

func flap(ctx context.Context, i *Injection) error {
	links, random := dedupe(around(i.Cluster.Members(), i.Victims)), i.draws()
	var times, packets atomic.Uint64
	i.onHeal(func(context.Context) error { return i.Net.Clear(links...) })
	i.proof(func(context.Context) (string, error) {
		if packets.Load() == 0 {
			return "", fmt.Errorf("no packet was dropped in %d times", times.Load())
		}
		return fmt.Sprintf("cut %d times, %d packets dropped", times.Load(), packets.Load()), nil
	})
	i.background(context.WithoutCancel(ctx), func(ctx context.Context) error {
		for {
			if err := i.Net.Set(netfault.Condition{Drop: true}, links...); err != nil {
				return err
			}
			more := between(ctx, random, 100*time.Millisecond, 1500*time.Millisecond)
			felt, err := i.felt(links)
			if err != nil {
				return err
			}
			packets.Add(felt.Packets)
			times.Add(1)
			if err := i.Net.Clear(links...); err != nil || !more {
				return err
			}
			if !between(ctx, random, 100*time.Millisecond, 1000*time.Millisecond) {
				return nil
			}
		}
	})
	return nil
}
