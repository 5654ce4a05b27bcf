package config

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// nestedKeys maps the keys of a configuration file that stand inside another one to their flags. All other keys are
// flag names themselves.
var nestedKeys = map[string]string{
	"client-transport-security.cert-file":                     "cert-file",
	"client-transport-security.key-file":                      "key-file",
	"client-transport-security.client-cert-file":              "client-cert-file",
	"client-transport-security.client-key-file":               "client-key-file",
	"client-transport-security.client-cert-auth":              "client-cert-auth",
	"client-transport-security.trusted-ca-file":               "trusted-ca-file",
	"client-transport-security.auto-tls":                      "auto-tls",
	"client-transport-security.allowed-hostname":              "client-cert-allowed-hostname",
	"peer-transport-security.cert-file":                       "peer-cert-file",
	"peer-transport-security.key-file":                        "peer-key-file",
	"peer-transport-security.client-cert-file":                "peer-client-cert-file",
	"peer-transport-security.client-key-file":                 "peer-client-key-file",
	"peer-transport-security.client-cert-auth":                "peer-client-cert-auth",
	"peer-transport-security.trusted-ca-file":                 "peer-trusted-ca-file",
	"peer-transport-security.auto-tls":                        "peer-auto-tls",
	"peer-transport-security.allowed-cn":                      "peer-cert-allowed-cn",
	"peer-transport-security.allowed-hostname":                "peer-cert-allowed-hostname",
	"peer-transport-security.skip-client-san-verification":    "peer-skip-client-san-verification",
	"socket-options.reuse-port":                               "socket-reuse-port",
	"socket-options.reuse-address":                            "socket-reuse-address",
	"discovery-config.token":                                  "discovery-token",
	"discovery-config.client.endpoints":                       "discovery-endpoints",
	"discovery-config.client.dial-timeout":                    "discovery-dial-timeout",
	"discovery-config.client.request-timeout":                 "discovery-request-timeout",
	"discovery-config.client.keepalive-time":                  "discovery-keepalive-time",
	"discovery-config.client.keepalive-timeout":               "discovery-keepalive-timeout",
	"discovery-config.client.auth.username":                   "discovery-user",
	"discovery-config.client.auth.password":                   "discovery-password",
	"discovery-config.client.secure.cert":                     "discovery-cert",
	"discovery-config.client.secure.key":                      "discovery-key",
	"discovery-config.client.secure.cacert":                   "discovery-cacert",
	"discovery-config.client.secure.insecure-transport":       "discovery-insecure-transport",
	"discovery-config.client.secure.insecure-skip-tls-verify": "discovery-insecure-skip-tls-verify",
	"discovery-config.client.secure.server-name":              "discovery-server-name",
	"discovery-config.client.auth.token":                      "discovery-auth-token",
	"discovery-config.client.max-request-bytes":               "discovery-max-request-bytes",
	"discovery-config.client.max-recv-bytes":                  "discovery-max-recv-bytes",
}

// registerFileOnly declares settings that a file can have and the command line can not.
func registerFileOnly(fs *flag.FlagSet, c *Config) {
	d := &c.Discovery
	fs.StringVar(&d.ServerName, "discovery-server-name", "", "")
	fs.StringVar(&d.AuthToken, "discovery-auth-token", "", "")
	fs.IntVar(&d.MaxRequestBytes, "discovery-max-request-bytes", 0, "")
	fs.IntVar(&d.MaxRecvBytes, "discovery-max-recv-bytes", 0, "")
}

// isDuration tells whether the flag holds a time.Duration: those take integer nanoseconds in a file.
func isDuration(f *flag.Flag) bool {
	getter, ok := f.Value.(flag.Getter)
	if !ok {
		return false
	}
	_, ok = getter.Get().(time.Duration)
	return ok
}

// parseFile reads a YAML or JSON file whose keys are flag names. Flags and variables do not count beside it.
func parseFile(path string, src Sources) (*Config, error) {
	raw, err := src.ReadFile(path)
	if err != nil {
		return nil, err
	}
	asJSON, err := yaml.YAMLToJSONStrict(raw)
	if err != nil {
		return nil, fmt.Errorf("error converting YAML to JSON: %w", err)
	}
	c, r := newDefault()
	registerFileOnly(r.fs, c)
	var settings map[string]any
	decoder := json.NewDecoder(strings.NewReader(string(asJSON)))
	decoder.UseNumber()
	if err := decoder.Decode(&settings); err != nil {
		return nil, fmt.Errorf("%s: want settings as \"name: value\": %w", path, err)
	}
	c.warn("loaded server configuration, other configuration command line flags and environment variables will be ignored if provided", "path", path)
	if err := applySettings(c, r.fs, "", settings); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c.ConfigFile = path
	return finish(c, src)
}

func applySettings(c *Config, fs *flag.FlagSet, prefix string, settings map[string]any) error {
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		value, full := settings[key], prefix+key
		if nested, ok := value.(map[string]any); ok {
			if err := applySettings(c, fs, full+".", nested); err != nil {
				return err
			}
			continue
		}
		name := full
		if mapped, ok := nestedKeys[full]; ok {
			name = mapped
		}
		f := fs.Lookup(name)
		if f == nil || name == "config-file" || (prefix != "" && name == full) {
			if err := unknownKey(c, full); err != nil {
				return err
			}
			continue
		}
		if value == nil {
			continue
		}
		text, err := settingText(f, value)
		if err != nil {
			return fmt.Errorf("invalid value for %q: %w", full, err)
		}
		if err := fs.Set(name, text); err != nil {
			return fmt.Errorf("invalid value %q for %q: %w", text, full, err)
		}
		c.explicit[name] = true
	}
	return nil
}

// unknownKey warns, as a key of a later version does no harm, but refuses TLS settings: a protection that is silently
// absent does.
func unknownKey(c *Config, key string) error {
	lower := strings.ToLower(key)
	for _, prefix := range []string{"client-transport-security.", "peer-transport-security.", "clienttlsinfo.", "peertlsinfo."} {
		if strings.HasPrefix(lower, prefix) {
			return fmt.Errorf("unknown setting %q: security settings must be known; see the names in --help", key)
		}
	}
	c.warn("ignoring unknown setting in the configuration file", "setting", key)
	return nil
}

// settingText writes a decoded value the way the flag of the same name takes it.
func settingText(f *flag.Flag, value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case json.Number:
		if isDuration(f) {
			n, err := v.Int64()
			if err != nil {
				return "", fmt.Errorf("want integer nanoseconds: %w", err)
			}
			return time.Duration(n).String(), nil
		}
		return v.String(), nil
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			text, err := settingText(f, v[i])
			if err != nil {
				return "", err
			}
			parts[i] = text
		}
		return strings.Join(parts, ","), nil
	}
	return "", fmt.Errorf("unexpected kind of value %T", value)
}
