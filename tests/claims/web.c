/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door of web.h.
 */
#include "web.h"

void web_start(struct broker *b, char ret_door[static PATH_BYTES])
{
	broker_start(b, NULL);
	cr_assert_eq(broker_add_door(b, "web"), 0);
	broker_door(b, "web", ret_door);
}

void web_grant(const struct broker *b, const char *name, uint64_t lifetime_us, uint32_t uses)
{
	struct wire_writer w;
	uint8_t buf[256];

	wire_begin(&w, buf, sizeof buf, WIRE_GRANT, 1, 0, 0);
	wire_put_string(&w, TAG_NAME, name);
	wire_put_string(&w, TAG_DOOR, "web");
	if (lifetime_us)
		wire_put_u64(&w, TAG_LIFETIME, lifetime_us);
	if (uses)
		wire_put_u32(&w, TAG_USES, uses);
	cr_assert_eq(broker_administer(b, &w), 0);
}
