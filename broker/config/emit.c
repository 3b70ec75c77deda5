/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration to messages, as emit.h says.
 */
#include "emit.h"

#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../libintro/wire/message.h"
#include "../channel.h"
#include "output.h"
#include "value.h"

struct output {
	uint8_t *bytes;
	size_t len, room;
	int error;
	uint8_t packet[WIRE_PACKET_MAX];
	struct wire_writer writer;
};

static struct wire_writer *begin(struct output *out, unsigned int type)
{
	wire_begin(&out->writer, out->packet, sizeof out->packet, (uint16_t)type, 0, 0, 0);
	return &out->writer;
}

static void finish(struct output *out)
{
	int n = wire_finish(&out->writer);
	uint32_t len = htole32((uint32_t)n);

	if (n < 0 && out->error == 0)
		out->error = n;
	if (out->error < 0)
		return;
	if (out->room - out->len < sizeof len + (size_t)n) {
		size_t room = (out->room + sizeof len + (size_t)n) * 2;
		uint8_t *bytes = realloc(out->bytes, room);

		if (!bytes) {
			out->error = -ENOMEM;
			return;
		}
		out->bytes = bytes;
		out->room = room;
	}
	memcpy(out->bytes + out->len, &len, sizeof len);
	memcpy(out->bytes + out->len + sizeof len, out->packet, (size_t)n);
	out->len += sizeof len + (size_t)n;
}

static void put_string(struct wire_writer *w, enum wire_tag tag, const char *value)
{
	if (value)
		wire_put_string(w, tag, value);
}

static void put_count(struct wire_writer *w, enum wire_tag tag, const char *value)
{
	if (value)
		wire_put_u32(w, tag, value_count(value));
}

static void put_bool(struct wire_writer *w, enum wire_tag tag, const char *value)
{
	if (value)
		wire_put_u32(w, tag, value_bool(value));
}

static void put_limits(struct wire_writer *w, cfg_t *section)
{
	cfg_t *limits = cfg_size(section, "limits") > 0 ? cfg_getsec(section, "limits") : NULL;

	if (!limits)
		return;
	put_count(w, TAG_MAX_CONNECTIONS, cfg_getstr(limits, "connections"));
	put_count(w, TAG_MAX_NAMES, cfg_getstr(limits, "names"));
	put_count(w, TAG_MAX_HELD, cfg_getstr(limits, "held"));
	put_count(w, TAG_MAX_FLIGHT, cfg_getstr(limits, "flight"));
	put_count(w, TAG_MAX_WAITS, cfg_getstr(limits, "waits"));
	put_count(w, TAG_MAX_REFERENCES, cfg_getstr(limits, "references"));
}

static void emit_settings(struct output *out, cfg_t *top)
{
	struct wire_writer *w = begin(out, CONFIG_SETTINGS);
	const char *audit = cfg_getstr(top, "audit");

	put_string(w, TAG_NAME, cfg_getstr(top, "user"));
	if (audit && audit[0] == '/')
		wire_put_string(w, TAG_DIRECTORY, audit);
	if (audit)
		wire_put_u32(w, TAG_WHAT, audit[0] == '/' ? AUDIT_FILE :
					  audit[0] == 's' ? AUDIT_SYSLOG : AUDIT_NONE);
	finish(out);
}

static void emit_limits(struct output *out, cfg_t *top)
{
	struct wire_writer *w;

	if (cfg_size(top, "limits") > 0) {
		w = begin(out, WIRE_LIMIT);
		put_limits(w, top);
		finish(out);
	}
	for (unsigned int i = 0; i < cfg_size(top, "uid"); i++) {
		cfg_t *uid = cfg_getnsec(top, "uid", i);

		w = begin(out, WIRE_LIMIT);
		wire_put_u32(w, TAG_UID, value_uid(cfg_title(uid)));
		put_limits(w, uid);
		finish(out);
	}
}

static void emit_door(struct output *out, cfg_t *door)
{
	struct wire_writer *w = begin(out, WIRE_DOOR_ADD);

	wire_put_string(w, TAG_DOOR, cfg_title(door));
	put_bool(w, TAG_EXPORT, cfg_getstr(door, "export"));
	put_bool(w, TAG_OPEN, cfg_getstr(door, "open"));
	put_string(w, TAG_DIRECTORY, cfg_getstr(door, "directory"));
	put_limits(w, door);
	finish(out);
}

static void emit_grant(struct output *out, cfg_t *door, cfg_t *grant)
{
	struct wire_writer *w = begin(out, WIRE_GRANT);
	const char *lifetime = cfg_getstr(grant, "lifetime");
	uint32_t rights = 0;

	for (unsigned int i = 0; i < cfg_size(grant, "rights"); i++)
		rights |= value_right(cfg_getnstr(grant, "rights", i));
	wire_put_string(w, TAG_NAME, cfg_title(grant));
	wire_put_string(w, TAG_DOOR, cfg_title(door));
	put_string(w, TAG_LABEL, cfg_getstr(grant, "label"));
	put_string(w, TAG_FILE, cfg_getstr(grant, "file"));
	put_string(w, TAG_SERVICE, cfg_getstr(grant, "service"));
	if (rights)
		wire_put_u32(w, TAG_RIGHTS, rights);
	if (lifetime)
		wire_put_u64(w, TAG_LIFETIME, value_duration_us(lifetime));
	put_count(w, TAG_USES, cfg_getstr(grant, "uses"));
	put_count(w, TAG_SESSIONS, cfg_getstr(grant, "sessions"));
	put_bool(w, TAG_LEASH, cfg_getstr(grant, "leash"));
	finish(out);
}

static void emit_place(struct output *out, cfg_t *service)
{
	struct wire_writer *w = begin(out, WIRE_PLACE);
	char dir[CONFIG_PATH_MAX + 1];
	const char *file = value_path_split(cfg_getstr(service, "place"), dir);

	wire_put_string(w, TAG_NAME, cfg_title(service));
	wire_put_string(w, TAG_FILE, file);
	wire_put_string(w, TAG_DIRECTORY, dir);
	finish(out);
}

static int write_all(const struct output *out, int fd)
{
	size_t done = 0;

	while (done < out->len) {
		ssize_t n = write(fd, out->bytes + done, out->len - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int emit(cfg_t *top, int fd)
{
	struct output out = { 0 };
	int r;

	emit_settings(&out, top);
	emit_limits(&out, top);
	for (unsigned int i = 0; i < cfg_size(top, "door"); i++)
		emit_door(&out, cfg_getnsec(top, "door", i));
	for (unsigned int i = 0; i < cfg_size(top, "door"); i++) {
		cfg_t *door = cfg_getnsec(top, "door", i);

		for (unsigned int g = 0; g < cfg_size(door, "grant"); g++)
			emit_grant(&out, door, cfg_getnsec(door, "grant", g));
	}
	for (unsigned int i = 0; i < cfg_size(top, "service"); i++)
		emit_place(&out, cfg_getnsec(top, "service", i));
	r = out.error == 0 ? write_all(&out, fd) : out.error;
	free(out.bytes);
	return r;
}
