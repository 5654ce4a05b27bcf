package report

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestTextCanBeReadOnWhatItStandsOn(t *testing.T) {
	light, dark, _ := strings.Cut(string(style), "prefers-color-scheme")
	for name, css := range map[string]string{"light": light, "dark": dark} {
		for ink, papers := range map[string]string{
			"ink": "paper card soft", "quiet": "paper card", "link": "paper card", "good": "paper card good-paper", "bad": "paper card bad-paper",
			"meh": "paper card meh-paper", "card": "bad", "leader-ink": "leader", "follower-ink": "follower", "fault-ink": "fault card", "away-ink": "away-fill",
		} {
			for paper := range strings.FieldsSeq(papers) {
				if ratio := contrast(luminance(t, css, ink), luminance(t, css, paper)); ratio < 4.5 {
					t.Errorf("%s: %s on %s has a contrast of %.1f", name, ink, paper, ratio)
				}
			}
		}
	}
}

// contrast is as the Web Content Accessibility Guidelines define it.
func contrast(a, b float64) float64 { return (max(a, b) + 0.05) / (min(a, b) + 0.05) }

// luminance is that of the first colour of a name.
func luminance(t *testing.T, css, name string) float64 {
	t.Helper()
	m := regexp.MustCompile(`--` + name + `: #([0-9a-f]{3,6});`).FindStringSubmatch(css)
	if m == nil {
		t.Fatalf("there is no colour %s", name)
	}
	hex := m[1]
	if len(hex) == 3 {
		hex = fmt.Sprintf("%c%c%c%c%c%c", hex[0], hex[0], hex[1], hex[1], hex[2], hex[2])
	}
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
