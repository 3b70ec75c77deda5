/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terms as messages say them: the same tags wherever a reference is made.
 */
#pragma once

#include <stdint.h>

#include "../../libintro/wire/message.h"
#include "ref.h"

/* Read RIGHTS (absent: rights), LIFETIME or EXPIRES, USES, SESSIONS, LEASH and LABEL. label is
 * the caller's, and ret points into it. 0, or -EINVAL: a term that no reference can have. */
int terms_read(const struct wire_message *m, uint32_t rights, char label[WIRE_LABEL_MAX + 1],
	       struct terms *ret);

/* Write those of a reference that are its own: LABEL; then, after what the caller puts in
 * between, RIGHTS, USES, SESSIONS and LEASH. */
void terms_write_label(const struct ref *ref, struct wire_writer *w);
void terms_write(const struct ref *ref, uint32_t uses, struct wire_writer *w);
