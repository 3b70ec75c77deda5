/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of pairs: pair_parse() of pair.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pair.h"

static bool user_nat_known(const char *name)
{
	for (const struct sim_nat_name *n = sim_nat_names; n->name; n++)
		if (strcmp(n->name, name) == 0)
			return true;
	return false;
}

/* One NAT of a side: a kernel's, which goes to *kernel, or the box's. */
static int parse_nat(const char *word, enum lab_nat *kernel, struct lab_side *ret)
{
	if (*word != '@')
		return lab_nat_parse(word, kernel);
	if (!user_nat_known(word + 1))
		return -EINVAL;
	ret->user_nat = word + 1;
	return 0;
}

static int parse_extra(const char *word, struct lab_side *ret)
{
	char *end;
	unsigned long n;

	if (strcmp(word, "accept") == 0) {
		ret->input_accept = true;
		return 0;
	}
	if (strncmp(word, "limit=", 6) != 0)
		return -EINVAL;
	n = strtoul(word + 6, &end, 10);
	if (*end || n == 0 || n > 65535)
		return -EINVAL;
	ret->flows_max = (unsigned int)n;
	return 0;
}

static int parse_side(char *text, struct lab_side *ret)
{
	struct lab_side side = { 0 };
	char *save, *home, *carrier, *extra;
	int error;

	home = strtok_r(text, "+", &save);
	if (!home)
		return -EINVAL;
	while ((extra = strtok_r(NULL, "+", &save))) {
		error = parse_extra(extra, &side);
		if (error)
			return error;
	}
	carrier = strchr(home, '/');
	if (carrier)
		*carrier++ = '\0';
	error = parse_nat(home, &side.nat, &side);
	if (!error && carrier)
		error = side.user_nat ? -EINVAL : parse_nat(carrier, &side.carrier, &side);
	if (!error)
		*ret = side;
	return error;
}

int pair_parse(const char *name, struct lab_config *ret, char buf[static PAIR_NAME_BYTES])
{
	struct lab_side sides[2] = { { 0 }, { .nat = LAB_NAT_PRESERVE } };
	char *colon;
	bool lan, carrier;
	int error;

	if (strlen(name) >= PAIR_NAME_BYTES)
		return -EINVAL;
	strcpy(buf, name);
	colon = strchr(buf, ':');
	if (!colon)
		return -EINVAL;
	*colon = '\0';
	lan = strcmp(buf, "same-lan") == 0;
	carrier = strcmp(buf, "same-carrier") == 0;
	if (lan || carrier) {
		error = parse_side(colon + 1, &sides[LAB_A]);
	} else {
		error = parse_side(buf, &sides[LAB_A]);
		if (!error)
			error = parse_side(colon + 1, &sides[LAB_B]);
	}
	if (error)
		return error;
	memcpy(ret->side, sides, sizeof sides);
	ret->same_lan = lan;
	ret->same_carrier = carrier;
	return 0;
}
