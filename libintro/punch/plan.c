/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plans of plan.h.
 */
#include "plan.h"

#include <math.h>

#include "etiquette.h"

/* Random flows on both sides: flows of each for this chance is sqrt(K_a K_b ln(1 / (1 - P))). */
#define GRID_LN 5.3		/* P = 99.5 % */
#define GRID_PRODUCT_MAX 1000000u

/* A sequential port is told in OFFER or ANSWER and used a signalling round later; of what others
 * take a survey sees the last few milliseconds only, and more is to be expected. */
#define AGE_S 0.4
#define FOREIGN_MIN 20.0
#define WINDOW_MIN 8u
#define WINDOW_MAX 64u
/* Two sequential NATs meet at this port behind the last one seen. */
#define MEET_AT 20
#define MEET_MORE 5

#define LOW_PORTS_FIRST 600u
#define LOW_PORTS_LAST 1023u
#define LOW_SOCKETS 64u

static const struct nat_ports_set any_port = { 1024, 65535, 1 };
static const struct nat_ports_set low_set = { LOW_PORTS_FIRST, LOW_PORTS_LAST, 1 };

static bool low(const struct plan_end *end)
{
	return end->low_ports && end->nat->low_ports == NAT_YES;
}

/* Where an end's spraying sockets are seen. */
static struct nat_ports_set set_of(const struct plan_end *end)
{
	if (low(end))
		return low_set;
	return nat_set_size(&end->nat->set) > 0 ? end->nat->set : any_port;
}

static enum output_bind bind_of(const struct plan_end *end)
{
	if (low(end))
		return OUTPUT_BIND_LOW;
	return end->nat->ports == NAT_PORTS_PARITY ? OUTPUT_BIND_EVEN : OUTPUT_BIND_ANY;
}

static bool sequential(const struct nat *nat)
{
	return nat->ports == NAT_PORTS_SEQUENTIAL && nat->last != 0 && nat->step != 0;
}

/* N flows and M probes meet in 98 % of all cases when NM = 4 K; both together are fewest when they
 * are equal, about 500 of all ports. Half of all sweeps then end within 90 probes. Where parity is
 * kept so many flows are as many as 1,000 of all, and 30 probes are enough. */
static unsigned int plan_fan(uint32_t ports)
{
	if (ports <= 4096)
		return 64;
	return ports <= 40000 ? 768 : 512;
}

/* As many as others take meanwhile, with four deviations, and some for our own flows. */
static uint32_t window_of(const struct nat *nat)
{
	double expected = (nat->foreign > FOREIGN_MIN ? nat->foreign : FOREIGN_MIN) * AGE_S;
	double wide = expected + 4 * sqrt(expected) + WINDOW_MIN;

	return wide < WINDOW_MAX ? (uint32_t)wide : WINDOW_MAX;
}

static void plan_one_hard(struct plan *ret, const struct plan_end *we,
			  const struct plan_end *they, bool easy)
{
	const struct plan_end *hard = easy ? they : we;
	struct nat_ports_set set = set_of(hard);

	if (sequential(hard->nat)) {
		ret->word = "prediction";
		if (easy) {
			ret->kind = PLAN_WINDOW;
			ret->from = hard->nat->last;
			ret->step = hard->nat->step;
			ret->targets = window_of(hard->nat);
		}
		return;
	}
	ret->word = "spray";
	if (hard->nat->addresses > 1) {
		ret->kind = PLAN_RELAY;
		return;
	}
	if (easy) {
		ret->kind = PLAN_SWEEP;
		ret->first = PLAN_THEY_FIRST;
		ret->set = set;
		ret->targets = ETIQUETTE_PROBES;
	} else {
		ret->kind = PLAN_FAN;
		ret->first = PLAN_WE_FIRST;
		ret->bind = bind_of(we);
		ret->sockets = plan_fan(nat_set_size(&set));
		ret->targets = 1;
	}
}

static void plan_grid(struct plan *ret, const struct plan_end *we, const struct plan_end *they)
{
	struct nat_ports_set ours = set_of(we), theirs = set_of(they);
	double product = (double)nat_set_size(&ours) * nat_set_size(&theirs);
	uint32_t flows;

	if (product > GRID_PRODUCT_MAX || we->nat->addresses > 1 || they->nat->addresses > 1) {
		ret->kind = PLAN_RELAY;
		ret->word = "relay";
		return;
	}
	flows = (uint32_t)ceil(sqrt(product * GRID_LN));
	ret->kind = PLAN_GRID;
	ret->word = "grid";
	ret->bind = bind_of(we);
	ret->sockets = LOW_SOCKETS;
	ret->targets = flows / LOW_SOCKETS + 1;
	if (ret->targets > ETIQUETTE_FLOWS / LOW_SOCKETS)
		ret->targets = ETIQUETTE_FLOWS / LOW_SOCKETS;
	ret->set = theirs;
}

void plan_make(struct plan *ret, const struct plan_end *we, const struct plan_end *they)
{
	bool easy = nat_easy(we->nat), they_easy = nat_easy(they->nat);

	*ret = (struct plan){ .kind = PLAN_CHECKS, .word = "checks" };
	if (easy && they_easy)
		return;
	if (easy != they_easy) {
		plan_one_hard(ret, we, they, easy);
	} else if (sequential(we->nat) && sequential(they->nat)) {
		ret->kind = PLAN_FAN;
		ret->word = "meeting";
		ret->sockets = MEET_AT + MEET_MORE;
		ret->targets = 1;
		ret->port = (uint16_t)(they->nat->last + MEET_AT * they->nat->step);
	} else {
		plan_grid(ret, we, they);
	}
}
