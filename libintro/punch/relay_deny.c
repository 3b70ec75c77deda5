/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The deny-list of relay_deny.h: a relay that forwards into its own network is a way into it.
 */
#include "relay_deny.h"

#include <errno.h>

int relay_deny_init(struct relay_deny *d, const struct relay_config *config)
{
	if (config->own_n > RELAY_OWN_MAX)
		return -EINVAL;
	d->allow = 1u << SCOPE_GLOBAL | (config->allow & ~(1u << SCOPE_NONE |
							   1u << SCOPE_MULTICAST));
	d->own_n = config->own_n;
	for (size_t i = 0; i < config->own_n; i++)
		d->own[i] = config->own[i];
	return 0;
}

bool relay_denied(const struct relay_deny *d, const struct address *a)
{
	if (a->port == 0 || !(d->allow >> address_scope(a) & 1))
		return true;
	for (size_t i = 0; i < d->own_n; i++) {
		if (address_same_ip(a, &d->own[i]) &&
		    (d->own[i].port == 0 || d->own[i].port == a->port))
			return true;
	}
	return false;
}
