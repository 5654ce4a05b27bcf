package peer

import (
	"context"
	"net/http"
	"strings"

	"go.uber.org/zap"
)

// AddPeer begins to talk to a member; for one that is known already it is UpdatePeer. URLs that cannot be used are logged
// and leave everything as it was. It does not wait.
func (t *Transport) AddPeer(id uint64, urls []string) {
	parsed, err := parseURLs(urls)
	if err != nil {
		t.log.Error("could not add peer", zap.String("remote-peer-id", formatID(id)), zap.Error(err))
		return
	}
	t.change(func(d *directory) {
		if p := d.peers[id]; p != nil {
			p.urls.set(parsed)
			return
		}
		if r := d.remotes[id]; r != nil {
			r.cancel()
			delete(d.remotes, id)
		}
		p := newPeer(t, id, parsed)
		d.peers[id] = p
		p.start()
	})
}

// UpdatePeer changes the URLs of a member. Streams that are up stay up; the next dial uses the new URLs.
func (t *Transport) UpdatePeer(id uint64, urls []string) {
	parsed, err := parseURLs(urls)
	if err != nil {
		t.log.Error("could not update peer", zap.String("remote-peer-id", formatID(id)), zap.Error(err))
		return
	}
	if p := t.directory.Load().peers[id]; p != nil {
		p.urls.set(parsed)
	}
}

// RemovePeer stops talking to a member. It does not wait for what is under way, so it may be called while a received
// message is being processed.
func (t *Transport) RemovePeer(id uint64) {
	t.change(func(d *directory) {
		if p := d.peers[id]; p != nil {
			p.cancel()
			delete(d.peers, id)
		}
		if r := d.remotes[id]; r != nil {
			r.cancel()
			delete(d.remotes, id)
		}
	})
}

// RemoveAll stops talking to everyone.
func (t *Transport) RemoveAll() {
	t.change(func(d *directory) {
		for _, p := range d.peers {
			p.cancel()
		}
		for _, r := range d.remotes {
			r.cancel()
		}
		clear(d.peers)
		clear(d.remotes)
	})
}

// AddRemote makes it possible to send to a member that the local membership does not contain yet. Known members stay as
// they are. At most 64 remotes are kept, since any sender of a request can become one.
func (t *Transport) AddRemote(id uint64, urls []string) {
	parsed, err := parseURLs(urls)
	if err != nil {
		t.log.Warn("could not add remote", zap.String("remote-peer-id", formatID(id)), zap.Error(err))
		return
	}
	t.change(func(d *directory) {
		if id == t.local || d.peers[id] != nil || d.remotes[id] != nil || len(d.remotes) >= maxRemotes {
			return
		}
		d.remotes[id] = newRemote(t, id, parsed)
		t.log.Info("added remote peer", zap.String("remote-peer-id", formatID(id)), zap.Strings("remote-peer-urls", urls))
	})
}

// route is how a member that is known as peer or remote is reached; ok is false for others. The context ends when the
// member is removed.
func (t *Transport) route(id uint64) (ctx context.Context, urls *urlPicker, ok bool) {
	d := t.directory.Load()
	if p := d.peers[id]; p != nil {
		return p.ctx, p.urls, true
	}
	if r := d.remotes[id]; r != nil {
		return r.ctx, r.urls, true
	}
	return nil, nil, false
}

// addSender makes the sender of a checked request a remote when it is unknown and was not removed.
func (t *Transport) addSender(h http.Header, id uint64) {
	d := t.directory.Load()
	if id == 0 || d.peers[id] != nil || d.remotes[id] != nil || t.cfg.Raft.IsRemoved(id) {
		return
	}
	list := h.Get(headerPeerURLs)
	if list == "" || strings.Count(list, ",") >= maxRemoteURLs {
		return
	}
	t.AddRemote(id, strings.Split(list, ","))
}

// change replaces the directory by a copy that f has worked on; after Stop it does nothing. f must not spawn, which
// takes the same lock: it uses t.work.Go.
func (t *Transport) change(f func(*directory)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped {
		return
	}
	d := t.directory.Load().clone()
	f(d)
	t.directory.Store(d)
}
