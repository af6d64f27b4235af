package tune

import "math"

// Gains are those of the controller: Kp dimensionless, Ki in 1/s, Kd in s, all ≥ 0.
type Gains struct {
	Kp float64 `json:"kp"`
	Ki float64 `json:"ki"`
	Kd float64 `json:"kd"`
}

// standard turns the standard form, Kc·(e + ∫e/Ti + Td·de/dt), into gains.
func standard(kc, ti, td float64) Gains { return Gains{Kp: kc, Ki: kc / ti, Kd: kc * td} }

// Rule is a way from a process to gains.
type Rule struct {
	Name string
	// Source is who published it, where.
	Source string
	// Gains computes them from a valid model and ultimate point; a rule looks at one of the two.
	Gains func(Model, Ultimate) Gains
}

// Where the rules were published.
const (
	zieglerNichols = "Ziegler, Nichols: Optimum settings for automatic controllers, Trans. ASME 64, 1942"
	cohenCoon      = "Cohen, Coon: Theoretical consideration of retarded control, Trans. ASME 75, 1953"
	amigoPI        = "Åström, Hägglund: Advanced PID Control, ISA 2006"
	amigoPID       = "Åström, Hägglund: Revisiting the Ziegler–Nichols step response method, J. Process Control 14, 2004"
	simc           = "Skogestad: Simple analytic rules for model reduction and PID controller tuning, J. Process Control 13, 2003"
)

// Rules returns all rules, in the order of their publication.
func Rules() []Rule {
	return []Rule{
		{"ZN step PI", zieglerNichols, func(m Model, _ Ultimate) Gains { return standard(0.9*m.T/(m.K*m.L), m.L/0.3, 0) }},
		{"ZN step PID", zieglerNichols, func(m Model, _ Ultimate) Gains { return standard(1.2*m.T/(m.K*m.L), 2*m.L, m.L/2) }},
		{"ZN ultimate PI", zieglerNichols, func(_ Model, u Ultimate) Gains { return standard(0.45*u.Ku, u.Pu/1.2, 0) }},
		{"ZN ultimate PID", zieglerNichols, func(_ Model, u Ultimate) Gains { return standard(0.6*u.Ku, u.Pu/2, u.Pu/8) }},
		{"Cohen-Coon PI", cohenCoon, cohenCoonPI},
		{"Cohen-Coon PID", cohenCoon, cohenCoonPID},
		{"SIMC PI", simc, simcPI},
		{"AMIGO PI", amigoPI, gainsAMIGOPI},
		{"AMIGO PID", amigoPID, gainsAMIGOPID},
	}
}

func cohenCoonPI(m Model, _ Ultimate) Gains {
	r := m.L / m.T
	return standard((0.9+r/12)/(m.K*r), m.L*(30+3*r)/(9+20*r), 0)
}

func cohenCoonPID(m Model, _ Ultimate) Gains {
	r := m.L / m.T
	return standard((4.0/3+r/4)/(m.K*r), m.L*(32+6*r)/(13+8*r), m.L*4/(11+2*r))
}

// simcPI is SIMC with its recommended closed-loop time constant, the dead time.
// For a first-order process it has no derivative.
func simcPI(m Model, _ Ultimate) Gains {
	closed := m.L
	return standard(m.T/(m.K*(closed+m.L)), math.Min(m.T, 4*(closed+m.L)), 0)
}

func gainsAMIGOPI(m Model, _ Ultimate) Gains {
	sum := m.L + m.T
	kc := (0.15 + (0.35-m.L*m.T/(sum*sum))*m.T/m.L) / m.K
	return standard(kc, 0.35*m.L+13*m.L*m.T*m.T/(m.T*m.T+12*m.L*m.T+7*m.L*m.L), 0)
}

func gainsAMIGOPID(m Model, _ Ultimate) Gains {
	return standard((0.2+0.45*m.T/m.L)/m.K, (0.4*m.L+0.8*m.T)/(m.L+0.1*m.T)*m.L, 0.5*m.L*m.T/(0.3*m.L+m.T))
}
