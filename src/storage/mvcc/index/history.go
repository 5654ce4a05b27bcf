package index

import "math"

// A past is a superseded revision of a key, linked to the next older one.
type past struct {
	main int64
	sub  int32
	next uint32
	life uint32 // lifeNone for a tombstone, lifeOwn for the first revision of a life, else the number of a life
	step uint32 // version minus life.firstVersion, and pastLeased
}

// A life is what consecutive pasts of one key have in common between two deletions.
type life struct {
	createMain   int64
	firstVersion int64 // of the oldest past that shares it
	createSub    int32
}

const (
	lifeNone    = 0
	lifeOwn     = math.MaxUint32
	pastLeased  = 1 << 31
	pastMaxStep = pastLeased - 1
)

// supersede puts m, the newest revision until now, at the front of the history and returns its new front.
func (x *Index) supersede(front uint32, m Meta) uint32 {
	id := x.pasts.alloc()
	p := x.pasts.at(id)
	*p = past{main: m.Mod.Main, sub: m.Mod.Sub, next: front}
	switch {
	case m.Tombstone:
		p.life = lifeNone
	case m.Version == 1 && m.Create == m.Mod:
		p.life = lifeOwn
	default:
		p.life, p.step = x.lifeFor(front, m)
	}
	if m.Leased {
		p.step |= pastLeased
	}
	return id
}

// lifeFor returns the life of the front of the history when m continues it, else a new one.
func (x *Index) lifeFor(front uint32, m Meta) (id, step uint32) {
	if front != 0 {
		id = x.pasts.at(front).life
	}
	if id != lifeNone && id != lifeOwn {
		l := x.lives.at(id)
		d := m.Version - l.firstVersion
		if l.createMain == m.Create.Main && l.createSub == m.Create.Sub && d >= 0 && d <= pastMaxStep {
			return id, uint32(d)
		}
	}
	id = x.lives.alloc()
	*x.lives.at(id) = life{createMain: m.Create.Main, createSub: m.Create.Sub, firstVersion: m.Version}
	return id, 0
}

func (x *Index) pastMeta(p *past) Meta {
	m := Meta{Mod: Rev{Main: p.main, Sub: p.sub}, Leased: p.step&pastLeased != 0}
	switch p.life {
	case lifeNone:
		m.Tombstone = true
	case lifeOwn:
		m.Create, m.Version = m.Mod, 1
	default:
		l := x.lives.at(p.life)
		m.Create = Rev{Main: l.createMain, Sub: l.createSub}
		m.Version = l.firstVersion + int64(p.step&pastMaxStep)
	}
	return m
}

// metaAt returns what the key of r was at atRev; false when it did not exist.
func (x *Index) metaAt(r record, atRev int64) (Meta, bool) {
	if r.modMain() <= atRev {
		if r.tombstone() {
			return Meta{}, false
		}
		return r.meta(), true
	}
	return x.pastAt(r.history(), atRev)
}

// pastAt returns what a key was at atRev, according to its superseded revisions from front on.
func (x *Index) pastAt(front uint32, atRev int64) (Meta, bool) {
	for id := front; id != 0; {
		p := x.pasts.at(id)
		if p.main <= atRev {
			if p.life == lifeNone {
				return Meta{}, false
			}
			return x.pastMeta(p), true
		}
		id = p.next
	}
	return Meta{}, false
}

// dropPasts frees the revisions from front on, at most max of them, and returns what is left. keptLife is the life of the
// past in front of them, or lifeNone.
func (x *Index) dropPasts(front uint32, keptLife uint32, max int, drop func(Rev)) (rest uint32, dropped int) {
	for front != 0 && dropped < max {
		p := *x.pasts.at(front)
		x.pasts.release(front)
		dropped++
		drop(Rev{Main: p.main, Sub: p.sub})
		front = p.next
		// Pasts that share a life are neighbours, so this one was the last of its life unless a neighbour shares it.
		if p.life == lifeNone || p.life == lifeOwn || p.life == keptLife {
			continue
		}
		if front == 0 || x.pasts.at(front).life != p.life {
			x.lives.release(p.life)
		}
	}
	return front, dropped
}
