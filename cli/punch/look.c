/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The survey on a carry (carry.h).
 */
#include "look.h"

#include <errno.h>
#include <stdlib.h>

#include "carry.h"

struct look {
	struct carry *carry;
	struct survey *survey;
};

static void opened(void *it, uint64_t now_us, uint16_t socket, const struct address *local,
		   int error)
{
	survey_opened(it, now_us, socket, local, error);
}

static void datagram(void *it, uint64_t now_us, uint16_t socket, const struct address *from,
		     const void *packet, size_t len)
{
	survey_datagram(it, now_us, socket, from, packet, len);
}

static void timer(void *it, uint64_t now_us)
{
	survey_timer(it, now_us);
}

static uint64_t deadline(const void *it)
{
	return survey_deadline(it);
}

static bool take(void *it, struct output *ret)
{
	return survey_take(it, ret);
}

int look_new(struct look **ret, const struct survey_config *config)
{
	struct look *l = calloc(1, sizeof *l);
	int r;

	if (!l)
		return -ENOMEM;
	r = carry_new(&l->carry);
	if (r == 0)
		r = survey_new(&l->survey, config, carry_now_us());
	if (r < 0) {
		look_free(l);
		return r;
	}
	carry_begin(l->carry, &(struct carry_machine){ l->survey, opened, datagram, timer, deadline,
						       take });
	*ret = l;
	return 0;
}

void look_free(struct look *l)
{
	if (!l)
		return;
	if (l->survey)
		survey_free(l->survey);
	carry_free(l->carry);
	free(l);
}

int look_fd(const struct look *l)
{
	return carry_fd(l->carry);
}

int look_step(struct look *l)
{
	return carry_step(l->carry);
}

bool look_result(const struct look *l, struct nat *ret)
{
	return survey_result(l->survey, ret);
}
