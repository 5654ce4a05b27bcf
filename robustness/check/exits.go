package check

import (
	"fmt"
	"slices"
	"syscall"
	"time"

	"quoin.dev/quoin/robustness/history"
)

// slack is by how much what a fault causes may come after its end.
const slack = time.Second

// farewell is what a member says as it ends by itself.
type farewell struct {
	member, text string
	line         int
	offset       int64 // in its log
	when         time.Duration
}

// exits finds processes that have ended by themselves. That somebody killed the member at about that time is no excuse: what a process
// says and its exit code tell whether it was the signal that ended it.
func (e *evidence) exits(v *sheet, said []farewell) {
	last := map[int]farewell{} // of a process
	for _, f := range said {
		if i := e.speaker(f); i >= 0 {
			last[i] = f
		} else if !e.accounted(history.Process{Member: f.member, Ended: f.when}) { // the record does not know of it
			v.find(history.Finding{At: f.when, Text: fmt.Sprintf("expected %s to go on, found in line %d of its log: %s", f.member, f.line, f.text)})
		}
	}
	for i, p := range e.Processes {
		f, spoke := last[i]
		if spoke && p.Ended == 0 {
			p.Ended = f.when
		}
		switch {
		case (spoke || byItself(p)) && !e.accounted(p) && !e.unready(i):
			text := fmt.Sprintf("expected %s to run until it is told to end; found that it ended at %s, %s, %s", p.Member, at(p.Ended), e.since(p.Ended), exitCode(p))
			if spoke {
				text += fmt.Sprintf(", and said in line %d of its log: %s", f.line, f.text)
			}
			v.find(history.Finding{At: p.Ended, Text: text})
		case p.Ended == 0 && (p.Stopped || p.Killed):
			v.find(history.Finding{At: e.Duration, Text: fmt.Sprintf("expected %s to end when it is told to, found it running when the run was over", p.Member)})
		}
	}
}

// speaker is the index of the process that has said something, -1 if the record does not know it.
func (e *evidence) speaker(f farewell) int {
	for i, p := range slices.Backward(e.Processes) {
		if p.Member == f.member && p.LogFrom <= f.offset {
			return i
		}
	}
	return -1
}

// byItself tells whether a process has ended otherwise than by the signals that it was sent.
func byItself(p history.Process) bool {
	switch {
	case p.Ended == 0,
		p.Killed && endedBy(p, syscall.SIGKILL),
		p.Stopped && (p.ExitCode == 0 || endedBy(p, syscall.SIGTERM)):
		return false
	}
	return true
}

// unready tells whether a process was told to end before its program was ready for that, and had not said a word. As the first process
// of a container it does not die of the signal, and Go's runtime ends it with a code of its own.
func (e *evidence) unready(i int) bool {
	const byRuntime = 2
	p := e.Processes[i]
	if !p.Stopped || p.ExitCode != byRuntime || i+1 == len(e.Processes) {
		return false
	}
	next := e.Processes[i+1]
	return next.Member == p.Member && next.LogFrom == p.LogFrom
}

// endedBy tells whether an exit code is that of a signal. A container says which one it was, a process does not.
func endedBy(p history.Process, s syscall.Signal) bool {
	return p.ExitCode == -1 || p.ExitCode == 128+int(s)
}

func exitCode(p history.Process) string {
	switch {
	case p.ExitCode == -1 && p.Killed:
		return "as it was killed"
	case p.ExitCode == -1:
		return "by a signal that the lab did not send"
	}
	return fmt.Sprintf("with exit code %d", p.ExitCode)
}

// accounted tells whether a fault lets the process end by itself: one that was there when the fault was done, so that what is
// started afterwards has to stay. A member that a fault adds comes later, and ends in order when it is removed.
func (e *evidence) accounted(p history.Process) bool {
	for i := range e.Faults {
		f := &e.Faults[i]
		concerns := slices.Contains(e.options.MayExit, f.Kind) && slices.Contains(f.Members, p.Member)
		lasts := begun(f) <= p.Ended && (f.Healed == 0 || p.Ended <= f.Healed+slack)
		if concerns && lasts && (p.Started <= f.Injected || p.ExitCode == 0) {
			return true
		}
	}
	return false
}

// begun is since when a fault may be felt.
func begun(f *history.Fault) time.Duration {
	if f.Began == 0 {
		return f.Injected
	}
	return f.Began
}
