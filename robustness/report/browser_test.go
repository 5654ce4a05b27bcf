package report_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"quoin.dev/quoin/robustness/report"
)

// TestInABrowser is one test, since a browser takes long to start.
func TestInABrowser(t *testing.T) {
	b := startBrowser(t, 10*time.Minute)
	path := filepath.Join(reported(t, found(crafted(7, 5000))), report.PageName)
	evil := filepath.Join(reported(t, hostileRecordWithLogs()), report.PageName)
	for name, test := range map[string]func(*browser, string){
		"it shows the page": showsThePage, "keys and dragging zoom": zooms, "the filter keeps lines that match": filters, "pictures come when they are wanted": showsPictures,
	} {
		t.Run(name, func(t *testing.T) { b.t = t; test(b, path) })
	}
	t.Run("hostile values do nothing", func(t *testing.T) { b.t = t; runsNothing(b, evil) })
	t.Run("no page is wider than its screen", func(t *testing.T) { b.t = t; fits(b) })
	b.t = t
}

func showsThePage(b *browser, path string) {
	t := b.t
	b.screen(1280, 900, false, "light")
	b.open(path)
	b.quiet(path)
	if got := b.text(`document.querySelector(".stamp").textContent`); !strings.Contains(got, "FAILED") {
		t.Errorf("the verdict is %q", got)
	}
	for _, name := range []string{"m0", "m1", "m2"} {
		if b.text(fmt.Sprintf(`!!document.querySelector("svg[aria-label=%s] .leader")`, name)) != "true" {
			t.Errorf("the lane of %s does not show that it led", name)
		}
	}
	if got := b.text(`document.querySelectorAll(".pins a").length`); got != "2" {
		t.Errorf("%s pins", got)
	}
}

func zooms(b *browser, path string) {
	t := b.t
	b.screen(1280, 900, false, "light")
	b.open(path)
	shown := `document.getElementById("range").textContent`
	whole := b.text(shown)
	b.text(`document.getElementById("board").focus()`)
	b.press("n")
	if got := b.text(`document.getElementById("told").textContent`); !strings.Contains(got, "8.000 s") || !strings.Contains(got, "kill m0") {
		t.Errorf("the first event reads %q", got)
	}
	b.press("+")
	b.press("+")
	zoomed := b.text(shown)
	if zoomed == whole {
		t.Errorf("after two times plus it still shows %s", zoomed)
	}
	b.press("0")
	if got := b.text(shown); got != whole {
		t.Errorf("after 0 it shows %s instead of %s", got, whole)
	}
	// From a third to two thirds of the time line.
	b.text(`document.getElementById("board").scrollIntoView()`)
	var r struct{ Left, Width, Top float64 }
	if err := json.Unmarshal([]byte(b.text(`(() => { const r = document.querySelector(".rate .track").getBoundingClientRect(); return JSON.stringify({ left: r.left, width: r.width, top: r.top + 20 }) })()`)), &r); err != nil {
		t.Fatal(err)
	}
	b.mouse("mousePressed", r.Left+r.Width/3, r.Top)
	b.mouse("mouseMoved", r.Left+r.Width/2, r.Top)
	b.mouse("mouseMoved", r.Left+r.Width*2/3, r.Top)
	b.mouse("mouseReleased", r.Left+r.Width*2/3, r.Top)
	if got := b.text(shown); !strings.HasPrefix(got, "10.3") {
		t.Errorf("after dragging it shows %s", got)
	}
	b.quiet(path)
}

func showsPictures(b *browser, path string) {
	b.open(path)
	b.quiet(path)
	b.text(`document.querySelector("details.picture summary").click()`)
	for len(b.requests) < 2 {
		b.next()
	}
	if want := "linearizable-k3.html"; !strings.HasSuffix(b.requests[1], want) {
		b.t.Errorf("the picture is %s instead of %s", b.requests[1], want)
	}
}

func filters(b *browser, path string) {
	t := b.t
	b.open(path)
	b.text(`(() => { const f = document.getElementById("filter"); f.value = "LOST connection"; f.dispatchEvent(new Event("input")) })()`)
	lines := b.text(`[...document.querySelectorAll("tr.line")].filter((r) => r.checkVisibility()).length`)
	others := b.text(`[...document.querySelectorAll("tr.line")].filter((r) => r.checkVisibility() && !r.textContent.includes("lost connection")).length`)
	if lines == "0" || others != "0" {
		t.Errorf("%s lines are shown, %s of them do not match", lines, others)
	}
}

func runsNothing(b *browser, path string) {
	t := b.t
	b.open(path)
	b.quiet(path)
	if got := b.text(`document.title`); strings.HasPrefix(got, "owned") {
		t.Error("a value of the record ran as a script")
	}
	b.text(`document.getElementById("board").focus()`)
	b.press("n")
	if got := b.text(`document.getElementById("readout").children.length > 3`); got != "true" {
		t.Error("the script of the page does not run")
	}
}

// fits opens every page on screens of all sorts: none is wider than its screen. Pictures of them, for people to look at, go to the
// directory that QUOIN_LAB_SCREENSHOTS names.
func fits(b *browser) {
	pictures := os.Getenv("QUOIN_LAB_SCREENSHOTS")
	shoot := func(name string, whole bool) {
		if pictures != "" {
			b.shoot(filepath.Join(pictures, name+".png"), whole)
		}
	}
	passed, failed := crafted(7, 5000), found(crafted(7, 5000))
	for name, path := range map[string]string{
		"passed": filepath.Join(reported(b.t, passed), report.PageName), "failed": filepath.Join(reported(b.t, failed), report.PageName),
		"index": filepath.Join(indexed(b.t), report.IndexName),
	} {
		for _, look := range []struct {
			name          string
			width, height int
			phone         bool
			scheme        string
		}{{"desktop", 1280, 900, false, "light"}, {"dark", 1280, 900, false, "dark"}, {"phone", 390, 844, true, "light"}, {"wall", 2560, 1440, false, "dark"}} {
			picture := name + "-" + look.name
			b.screen(look.width, look.height, look.phone, look.scheme)
			b.open(path)
			shoot(picture, true)
			if name != "index" {
				b.text(`document.getElementById("board").focus({ preventScroll: true })`)
				b.press("n")
				shoot(picture+"-top", false)
				b.text(`document.getElementById("findings").scrollIntoView()`)
				shoot(picture+"-findings", false)
				b.text(`document.querySelectorAll(".log").forEach((l) => l.open = true) || document.getElementById("logs").scrollIntoView()`)
				shoot(picture+"-logs", false)
			}
			if wide := b.text(`document.documentElement.scrollWidth > innerWidth`); wide == "true" {
				b.t.Errorf("%s on a %s is wider than the screen", name, look.name)
			}
		}
	}
}
