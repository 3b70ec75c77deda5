/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terms of terms.h.
 */
#include "terms.h"

#include <errno.h>
#include <string.h>

#include "../../libintro/wire/name.h"
#include "live.h"
#include "timer.h"

int terms_read(const struct wire_message *m, uint32_t rights, char label[WIRE_LABEL_MAX + 1],
	       struct terms *ret)
{
	struct terms t = {
		.rights = wire_u32(m, TAG_RIGHTS, rights),
		.uses = wire_u32(m, TAG_USES, REF_UNLIMITED),
		.sessions = wire_u32(m, TAG_SESSIONS, REF_UNLIMITED),
		.leash = wire_u32(m, TAG_LEASH, 0) != 0,
		.expires_usec = wire_u64(m, TAG_EXPIRES, UINT64_MAX),
		.label = label,
	};
	uint64_t lifetime = wire_u64(m, TAG_LIFETIME, UINT64_MAX);

	wire_string(m, TAG_LABEL, label, WIRE_LABEL_MAX + 1);
	/* no uses, or no sessions, make a reference of no use, which is no mistake */
	if (lifetime == 0 || wire_u32(m, TAG_LEASH, 0) > 1 || t.rights == 0 || (t.rights & ~(uint32_t)RIGHTS_ALL) ||
	    (label[0] && !wire_label_ok(label, strlen(label))))
		return -EINVAL;
	if (lifetime < UINT64_MAX / 2)
		t.expires_usec = timer_now() + lifetime;
	*ret = t;
	return 0;
}

void terms_write_label(const struct ref *ref, struct wire_writer *w)
{
	if (ref->own_label)
		wire_put_string(w, TAG_LABEL, ref_own_label(ref));
}

void terms_write(const struct ref *ref, uint32_t uses, struct wire_writer *w)
{
	wire_put_u32(w, TAG_RIGHTS, ref->rights);
	if (uses != REF_UNLIMITED)
		wire_put_u32(w, TAG_USES, uses);
	if (ref->live && ref->live->max != REF_UNLIMITED)
		wire_put_u32(w, TAG_SESSIONS, ref->live->max);
	if (ref->leashed)
		wire_put_u32(w, TAG_LEASH, 1);
}
