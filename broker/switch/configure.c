/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration's messages (configure.h): what is there already is kept, so that a reload
 * disturbs nobody.
 */
#include "configure.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "../../libintro/wire/name.h"
#include "apply.h"
#include "board.h"
#include "link.h"
#include "live.h"
#include "place.h"
#include "service.h"

/* The configuration names a door that is there: from the last switch, or from before. */
static void door_again(struct door *door, const struct wire_message *m,
		       const struct from *from)
{
	if (door->origin == ORIGIN_BUILTIN) {
		door->open = wire_u32(m, TAG_OPEN, door->open);
	} else {
		door->origin = ORIGIN_CONFIG;
		door->open = wire_u32(m, TAG_OPEN, 0);
	}
	door->round = board.config_round;
	apply_limits(&door->account, m, from);
	door_room(door);
	if (door->dir < 0 && *from->fd >= 0) {
		door->dir = apply_take(from->fd);
		list_foreach(it, &door->grant_list)
			grant_update(list_entry(it, struct grant, in_door));
	}
}

static bool same_terms(const struct grant *grant, const struct grant_options *o,
		       const struct wire_message *m)
{
	const char *label = grant->ref.own_label ? ref_own_label(&grant->ref) : "";
	uint32_t sessions = grant->ref.live ? grant->ref.live->max : REF_UNLIMITED;

	/* A lifetime or a number of uses is granted anew by naming it anew only where it
	 * was not granted before. */
	return strcmp(grant->ref.service->name, o->service) == 0 &&
	       strcmp(grant->file, o->file) == 0 && grant->ref.rights == o->terms.rights &&
	       strcmp(label, o->terms.label) == 0 && sessions == o->terms.sessions &&
	       grant->ref.leashed == o->terms.leash &&
	       grant->ref.parent == &grant->ref.service->root &&
	       (grant->ref.uses == REF_UNLIMITED) == (o->terms.uses == REF_UNLIMITED) &&
	       (grant->ref.expires_usec == UINT64_MAX) == !wire_has(m, TAG_LIFETIME);
}

static int configure_grant(const struct wire_message *m, const struct from *from)
{
	struct grant_words words;
	struct grant_options o;
	struct grant *grant;
	struct door *door;

	if (apply_grant_read(m, &words, &o) < 0)
		return -EINVAL;
	door = door_find(words.door);
	grant = door ? grant_find(door, words.name) : NULL;
	if (grant && same_terms(grant, &o, m)) {
		grant->round = board.config_round;
		grant->origin = ORIGIN_CONFIG;
		return 0;
	}
	if (grant)
		grant_free(grant, -ENOENT);
	return apply_grant(m, from);
}

static int configure_place(const struct wire_message *m, int *fd)
{
	char name[65], file[65];
	struct service *service;
	struct stat was, is;
	int r;

	if (*fd < 0 || wire_string(m, TAG_NAME, name, sizeof name) < 0 ||
	    !wire_name_ok(name, strlen(name)) || wire_string(m, TAG_FILE, file, sizeof file) < 0)
		return -EINVAL;
	service = service_get(name, true);
	if (!service)
		return -ENOMEM;
	if (service->placement && !service->placement->handle &&
	    fstat(service->placement->dir, &was) == 0 && fstat(*fd, &is) == 0 &&
	    was.st_dev == is.st_dev && was.st_ino == is.st_ino &&
	    strcmp(service->placement->file, file) == 0) {
		service->placement->round = board.config_round;
		return 0;
	}
	service->pins++;
	if (service->placement && !service->placement->handle)
		placement_free(service->placement);
	r = placement_new(service, NULL, *fd, file);
	if (r == 0)
		apply_take(fd);
	service->pins--;
	service_settle(service);
	return r;
}

int configure(const struct wire_message *m, int *fd)
{
	struct from from = { .origin = ORIGIN_CONFIG, .fd = fd };
	char name[65];
	struct door *door;
	int r;

	switch (m->head.type) {
	case WIRE_DOOR_ADD:
		door = wire_string(m, TAG_DOOR, name, sizeof name) == 0 ? door_find(name) : NULL;
		if (door) {
			door_again(door, m, &from);
			r = 0;
		} else {
			r = apply_door(m, &from, &door);
		}
		if (r == 0)
			link_keep_door(door);
		return r;
	case WIRE_GRANT:
		return configure_grant(m, &from);
	case WIRE_LIMIT:
		return apply_limit(m, &from);
	case WIRE_PLACE:
		return configure_place(m, fd);
	}
	return -EPROTO;
}

int configure_restore(const struct wire_message *m, uint64_t entry, int *fd)
{
	struct from from = {
		.origin = (enum origin)wire_u32(m, TAG_ORIGIN, ORIGIN_RUNTIME),
		.entry = entry,
		.fd = fd,
	};
	struct door *door;

	switch (m->head.type) {
	case WIRE_DOOR_ADD:
		return entry == CHANNEL_ENTRY_HOST ? board_restore_host(m, fd) :
						     apply_door(m, &from, &door);
	case WIRE_GRANT:
		return apply_grant(m, &from);
	case WIRE_LIMIT:
		return apply_limit(m, &from);
	}
	return -EPROTO;
}

void configure_sweep(void)
{
	list_foreach_safe(it, &board.doors) {
		struct door *door = list_entry(it, struct door, in_board);

		list_foreach_safe(jt, &door->grant_list) {
			struct grant *grant = list_entry(jt, struct grant, in_door);

			if (grant->origin == ORIGIN_CONFIG && grant->round != board.config_round)
				grant_free(grant, -ENOENT);
		}
		if (door->origin == ORIGIN_CONFIG && door->round != board.config_round)
			door_remove(door);
	}
	placement_sweep();
	apply_limits_sweep();
}
