package transcript

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/client"
	"quoin.dev/ctl/printer"
)

// decodeOutput brings an encoded response into the form that it has in JSON.
func decodeOutput(argv []string, encoded string) (string, error) {
	var b bytes.Buffer
	p, err := printer.New("json", &b, printer.Options{})
	if err != nil {
		return "", err
	}
	message := func(m interface{ UnmarshalVT([]byte) error }) error { return m.UnmarshalVT([]byte(encoded)) }
	line := strings.Join(argv, " ")
	switch {
	case strings.Contains(line, "member list"):
		var r pb.MemberListResponse
		if err = message(&r); err == nil {
			err = p.MemberList(&r)
		}
	case strings.Contains(line, "member add"):
		var r pb.MemberAddResponse
		if err = message(&r); err == nil {
			err = p.MemberAdd("", nil, &r)
		}
	case strings.Contains(line, "member update"):
		var r pb.MemberUpdateResponse
		if err = message(&r); err == nil {
			err = p.MemberUpdate(0, &r)
		}
	case strings.Contains(line, "member remove"):
		var r pb.MemberRemoveResponse
		if err = message(&r); err == nil {
			err = p.MemberRemove(0, &r)
		}
	case strings.Contains(line, "alarm"):
		var r pb.AlarmResponse
		if err = message(&r); err == nil {
			err = p.Alarm(&r)
		}
	case strings.Contains(line, "downgrade"):
		var r pb.DowngradeResponse
		if err = message(&r); err == nil {
			err = p.Downgrade(client.DowngradeValidate, &r)
		}
	default:
		return encoded, nil // it prints the same in every format
	}
	if err != nil {
		return "", fmt.Errorf("%q is no answer to %s: %w", encoded, line, err)
	}
	return b.String(), nil
}

// These match the members in JSON and in the variables for a new one.
var (
	jsonList = regexp.MustCompile(`^\[\{.*\}\]\n$|"members":(\[.*?\}\])`)
	nameList = regexp.MustCompile(`ETCD_INITIAL_CLUSTER="(.*)"`)
)

// inOrder sorts the lists in a text.
func inOrder(text string) string {
	if m := nameList.FindStringSubmatch(text); m != nil {
		pairs := strings.Split(m[1], ",")
		slices.Sort(pairs)
		return strings.Replace(text, m[1], strings.Join(pairs, ","), 1)
	}
	m := jsonList.FindStringSubmatch(text)
	if m == nil {
		return text
	}
	list := m[1]
	if list == "" {
		list = strings.TrimSuffix(m[0], "\n")
	}
	var parts []json.RawMessage
	// Names stand where numbers were, so that it is no JSON until they are quoted.
	quoted := bareName.ReplaceAllString(list, `:"$1"`)
	if json.Unmarshal([]byte(quoted), &parts) != nil {
		return text
	}
	slices.SortFunc(parts, func(a, b json.RawMessage) int { return bytes.Compare(a, b) })
	return strings.Replace(text, list, "["+string(bytes.Join(byteSlices(parts), []byte(",")))+"]", 1)
}

// bareName matches a name that canonical has put in the place of a number.
var bareName = regexp.MustCompile(`:((?:ID-OF|CLUSTER)[\w-]*)`)

func byteSlices(parts []json.RawMessage) [][]byte {
	out := make([][]byte, len(parts))
	for i, p := range parts {
		out[i] = p
	}
	return out
}
