package framework

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"sluice/framework/fleet"
)

// Profile is a kind of host for the jobs of some queues. A zero field is that of Config.
type Profile struct {
	fleet.Profile
	Image, Network string
}

const profileKeys = "slot-cpus, slot-mem, slot-disk, slot-ports, max-host-slots, image, network"

// AddProfile reads NAME:KEY=VALUE[,KEY=VALUE…] and adds the profile. It gives the name.
func (c *Config) AddProfile(text string) (string, error) {
	name, settings, _ := strings.Cut(text, ":")
	if name == "" || settings == "" {
		return "", errors.New("want QUEUE:KEY=VALUE[,KEY=VALUE], with " + profileKeys)
	}
	if _, twice := c.Profiles[name]; twice {
		return "", fmt.Errorf("%s has a profile already: give all its settings together", name)
	}
	var p Profile
	for setting := range strings.SplitSeq(settings, ",") {
		key, value, _ := strings.Cut(setting, "=")
		if err := p.set(strings.TrimSpace(key), strings.TrimSpace(value)); err != nil {
			return "", err
		}
	}
	if c.Profiles == nil {
		c.Profiles = make(map[string]Profile)
	}
	c.Profiles[name] = p
	return name, nil
}

func (p *Profile) set(key, value string) error {
	switch key {
	case "image":
		p.Image = value
		return checkImage(value)
	case "network":
		p.Network = value
		return checkNetwork(value)
	case "slot-cpus":
		cpus, err := strconv.ParseFloat(value, 64)
		if err != nil || !(cpus >= 0.01 && cpus <= 1<<20) {
			return fmt.Errorf("%s=%s: want a number from 0.01", key, value)
		}
		p.SlotCPUs = cpus
		return nil
	}
	whole := map[string]*int{"slot-mem": &p.SlotMemMiB, "slot-disk": &p.SlotDiskMiB, "slot-ports": &p.SlotPorts, "max-host-slots": &p.MaxHostSlots}[key]
	if whole == nil {
		return fmt.Errorf("unknown setting %q, want one of %s", key, profileKeys)
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > 1<<30 {
		return fmt.Errorf("%s=%s: want a whole number from 1", key, value)
	}
	*whole = n
	return nil
}

// checkProfiles says what is wrong with the profiles, and hands the fleet its part of them.
func (c *Config) checkProfiles() error {
	c.Fleet.Profiles = make(map[string]fleet.Profile, len(c.Profiles))
	for _, name := range slices.Sorted(maps.Keys(c.Profiles)) {
		p := c.Profiles[name]
		if err := errors.Join(checkImage(p.Image), checkNetwork(p.Network)); err != nil {
			return fmt.Errorf("check framework: profile %s: %w", name, err)
		}
		c.Fleet.Profiles[name] = p.Profile
	}
	return nil
}

// surroundings are the image and the network of a kind of host; "" = none, the agent's own.
func (c *Config) surroundings(profile string) (image, network string) {
	image, network = c.HostImage, c.HostNetwork
	if p, ok := c.Profiles[profile]; ok && profile != "" {
		if p.Image != "" {
			image = p.Image
		}
		if p.Network != "" {
			network = p.Network
		}
	}
	return image, network
}

const (
	dockerScheme = "docker://"
	maxImageName = 512
)

func checkImage(image string) error {
	name := strings.TrimPrefix(image, dockerScheme)
	if image != "" && (name == "" || strings.Contains(name, "://") || strings.ContainsAny(name, " \t\r\n") || len(name) > maxImageName) {
		return fmt.Errorf("image %.80q: want docker://[REGISTRY/]NAME[:TAG]", image)
	}
	return nil
}

func checkNetwork(network string) error {
	if strings.ContainsAny(network, "/ \t\r\n") {
		return fmt.Errorf("network %.80q: want a name without blanks and slashes, as in a CNI configuration of the agents", network)
	}
	return nil
}
