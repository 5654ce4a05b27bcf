package report_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// browser is a Chromium without a window, spoken to by the DevTools protocol over a pipe.
type browser struct {
	t       *testing.T
	in      *bufio.Reader
	out     *os.File
	last    int
	session string
	// requests are the addresses that the page has asked for, complaints what the console shows.
	requests, complaints []string
	loaded               int
}

// answer is a message of the browser: an answer if it has an ID, else an event.
type answer struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// startBrowser opens one with an empty page, for so long. The test is skipped where there is none.
func startBrowser(t *testing.T, limit time.Duration) *browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("there is no Chromium here (Debian: apt-get install chromium)")
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	cmd := exec.CommandContext(ctx, path, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--remote-debugging-pipe", "--user-data-dir="+t.TempDir(), "about:blank")
	// What other processes of the browser still write would hold up Wait.
	cmd.WaitDelay = time.Second
	toBrowser, out := pipe(t)
	in, fromBrowser := pipe(t)
	cmd.ExtraFiles = []*os.File{toBrowser, fromBrowser}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	toBrowser.Close()
	fromBrowser.Close()
	b := &browser{t: t, in: bufio.NewReaderSize(in, 1<<20), out: out}
	t.Cleanup(func() {
		b.end()
		_ = cmd.Wait() // it ends by itself after Browser.close, or by the deadline
		cancel()
	})
	b.attach()
	return b
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// end asks the browser to end, and reads until it has.
func (b *browser) end() {
	fmt.Fprintf(b.out, `{"id":1000000,"method":"Browser.close"}`+"\x00")
	for {
		if _, err := b.in.ReadBytes(0); err != nil {
			return
		}
	}
}

func (b *browser) attach() {
	b.t.Helper()
	var target struct {
		TargetID string `json:"targetId"`
	}
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var session struct {
		SessionID string `json:"sessionId"`
	}
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &session)
	b.session = session.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		b.call(domain+".enable", nil, nil)
	}
}

// call waits for the answer; events that come before it are noted.
func (b *browser) call(method string, params map[string]any, result any) {
	b.t.Helper()
	b.last++
	message := map[string]any{"id": b.last, "method": method, "params": params}
	if params == nil {
		message["params"] = map[string]any{}
	}
	if b.session != "" {
		message["sessionId"] = b.session
	}
	data, err := json.Marshal(message)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.out.Write(append(data, 0)); err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	for {
		a := b.next()
		if a.ID != b.last {
			continue
		}
		if a.Error != nil {
			b.t.Fatalf("%s: %s", method, a.Error.Message)
		}
		if result != nil {
			if err := json.Unmarshal(a.Result, result); err != nil {
				b.t.Fatalf("%s: %v", method, err)
			}
		}
		return
	}
}

// next is the next message; the end of the browser ends the test.
func (b *browser) next() answer {
	b.t.Helper()
	data, err := b.in.ReadBytes(0)
	if err != nil {
		b.t.Fatalf("the browser has ended: %v", err)
	}
	var a answer
	if err := json.Unmarshal(bytes.TrimSuffix(data, []byte{0}), &a); err != nil {
		b.t.Fatal(err)
	}
	switch a.Method {
	case "Page.loadEventFired":
		b.loaded++
	case "Network.requestWillBeSent":
		var p struct{ Request struct{ URL string } }
		_ = json.Unmarshal(a.Params, &p) // an empty address is not the one of the page, and fails the test
		b.requests = append(b.requests, p.Request.URL)
	case "Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded":
		b.complaints = append(b.complaints, string(a.Params))
	}
	return a
}

// open loads a file and waits until it is there.
func (b *browser) open(path string) {
	b.t.Helper()
	b.requests, b.complaints = nil, nil
	before := b.loaded
	b.call("Page.navigate", map[string]any{"url": "file://" + path}, nil)
	for b.loaded == before {
		b.next()
	}
}

// text is what an expression is in the page, as a string.
func (b *browser) text(expression string) string {
	b.t.Helper()
	var r struct {
		Result struct {
			Value any `json:"value"`
		} `json:"result"`
		ExceptionDetails json.RawMessage `json:"exceptionDetails"`
	}
	b.call("Runtime.evaluate", map[string]any{"expression": "String(" + expression + ")", "returnByValue": true}, &r)
	if r.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", expression, r.ExceptionDetails)
	}
	return fmt.Sprint(r.Result.Value)
}

func (b *browser) press(key string) {
	b.t.Helper()
	down := map[string]any{"type": "keyDown", "key": key}
	if len(key) == 1 {
		down["text"] = key
	}
	b.call("Input.dispatchKeyEvent", down, nil)
	b.call("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key}, nil)
}

func (b *browser) mouse(kind string, x, y float64) {
	b.t.Helper()
	params := map[string]any{"type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1}
	b.call("Input.dispatchMouseEvent", params, nil)
}

func (b *browser) screen(width, height int, phone bool, scheme string) {
	b.t.Helper()
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}, nil)
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// shoot takes a picture of the whole page, or of what is seen of it.
func (b *browser) shoot(path string, whole bool) {
	b.t.Helper()
	var shot struct{ Data []byte }
	b.call("Page.captureScreenshot", map[string]any{"captureBeyondViewport": whole, "format": "png"}, &shot)
	write(b.t, path, string(shot.Data))
}

// quiet checks that the page has asked for nothing but itself, and that nothing complained.
func (b *browser) quiet(path string) {
	b.t.Helper()
	if want := []string{"file://" + path}; !slices.Equal(b.requests, want) {
		b.t.Errorf("it loaded %q instead of %q", b.requests, want)
	}
	if len(b.complaints) > 0 {
		b.t.Errorf("the console says %s", b.complaints)
	}
}
