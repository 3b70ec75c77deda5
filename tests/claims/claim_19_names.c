/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 19: malformed packets disconnect only their sender and leak nothing. Here: names with odd
 * bytes and paths in them, and links where a door is to be: nothing is made, here or elsewhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "malformed.h"

static bool letter_or_digit(unsigned int c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Serve a name of these bytes through an open door: its error; -EPIPE: the connection ended. */
static int serve_bytes(const char *door, const uint8_t *name, uint8_t len)
{
	uint8_t packet[128] = { 1, 0, WIRE_SERVE, 0, 1, 0, 0, 0, 1, 0, 0, 0, TAG_NAME, 0, len, 0 };
	int sock = raw_open(door), error = -EPIPE;
	struct raw reply;

	memcpy(packet + 16, name, len);
	MUST(send(sock, packet, 16u + len, 0));
	if (raw_recv(sock, &reply) > 0)
		error = wire_i32(&reply.m, TAG_ERROR, 0);
	close(sock);
	return error;
}

TEST(claim_19, bytes_of_names)
{
	uint8_t name[WIRE_NAME_MAX + 1];
	struct place p;

	place_start(&p);
	for (unsigned int c = 0; c < 256; c++) {
		bool inside = letter_or_digit(c) || c == '.' || c == '_' || c == '-';

		name[0] = (uint8_t)c;
		cr_assert_eq(serve_bytes(p.b.host, name, 1),
			     c == 0 ? -EPIPE : letter_or_digit(c) ? 0 : -EINVAL, "byte %u", c);
		name[0] = 'a';
		name[1] = (uint8_t)c;
		name[2] = 'z';
		cr_assert_eq(serve_bytes(p.b.host, name, 3),
			     c == 0 ? -EPIPE : inside ? 0 : -EINVAL, "byte %u inside", c);
	}
	memset(name, 'n', sizeof name);
	cr_assert_eq(serve_bytes(p.b.host, name, WIRE_NAME_MAX), 0);
	cr_assert_eq(serve_bytes(p.b.host, name, WIRE_NAME_MAX + 1), -EPIPE);
	/* A door that is closed says the same of all that it does not grant. */
	cr_assert_eq(serve_bytes(p.bad, (const uint8_t *)"none", 4), -ENOENT);
	place_end(&p);
}

static const char *const tricks[] = {
	".", "..", "../up", "a/b", "/", "/etc", "a/../../up", "./a", "a/", "-", ".hidden", "~",
	"a\nb", "a b", "%s", "\x1b[2J", "\xc3\xa9", "a\\b", "*", "intro.sock/x",
};

static int grant_file(const struct place *p, const char *file)
{
	uint8_t buf[256];
	struct wire_writer w;

	wire_begin(&w, buf, sizeof buf, WIRE_GRANT, 1, 0, 0);
	wire_put_string(&w, TAG_NAME, "tricky");
	wire_put_string(&w, TAG_DOOR, "bad");
	wire_put_string(&w, TAG_FILE, file);
	return broker_administer(&p->b, &w);
}

static int place_at(int sock, int dir, const char *file)
{
	uint8_t buf[256];
	struct wire_writer w;
	struct raw reply;

	wire_begin(&w, buf, sizeof buf, WIRE_PLACE, 1, 1, 1);
	wire_put_string(&w, TAG_NAME, "own");
	wire_put_string(&w, TAG_FILE, file);
	return raw_ask(sock, &w, dir, &reply);
}

/* Paths in the names of doors, of files in doors and of placed files: nothing is made. */
TEST(claim_19, paths_in_names)
{
	static const char *const ours[] = { "intro.sock", "intro.", ".intro.new.x", ".intro.link" };
	char doors[PATH_BYTES];
	unsigned int in_base, in_doors, in_door;
	struct place p;
	int sock, dir;

	place_start(&p);
	snprintf(doors, sizeof doors, "%s/doors", p.b.base);
	in_base = dir_entries(p.b.base);
	in_doors = dir_entries(doors);
	in_door = dir_entries(p.bad);
	sock = depositor(p.bad);
	dir = MUST(open(p.b.dir, O_PATH | O_DIRECTORY | O_CLOEXEC));
	for (size_t i = 0; i < sizeof tricks / sizeof tricks[0]; i++) {
		cr_assert_eq(broker_add_door(&p.b, tricks[i]), -EINVAL, "door %s", tricks[i]);
		cr_assert_eq(broker_grant(&p.b, "bad", tricks[i], RIGHT_CONNECT), -EINVAL,
			     "name %s", tricks[i]);
		cr_assert_eq(broker_grant(&p.b, tricks[i], "name", RIGHT_CONNECT), -ENOENT,
			     "door %s", tricks[i]);
		/* A file may begin with a dot, and only that. */
		if (strcmp(tricks[i], ".hidden") == 0)
			continue;
		cr_assert_eq(grant_file(&p, tricks[i]), -EINVAL, "file %s", tricks[i]);
		cr_assert_eq(place_at(sock, dir, tricks[i]), -EINVAL, "placed %s", tricks[i]);
	}
	for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
		cr_assert_eq(grant_file(&p, ours[i]), -EINVAL, "file %s", ours[i]);
		cr_assert_eq(place_at(sock, dir, ours[i]), -EINVAL, "placed %s", ours[i]);
	}
	cr_assert_eq(dir_entries(p.b.base), in_base);
	cr_assert_eq(dir_entries(doors), in_doors);
	cr_assert_eq(dir_entries(p.bad), in_door);
	cr_assert(lives(sock));
	close(dir);
	close(sock);
	place_end(&p);
}

/* Where a door is to be, somebody has put a link to elsewhere. */
TEST(claim_19, door_that_is_a_link)
{
	char link[PATH_BYTES], elsewhere[PATH_BYTES];
	struct place p;

	place_start(&p);
	snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", p.b.dir);
	MUST(mkdir(elsewhere, 0777));
	broker_door(&p.b, "link", link);
	MUST(symlink(elsewhere, link));
	cr_assert_lt(broker_add_door(&p.b, "link"), 0);
	cr_assert_eq(dir_entries(elsewhere), 2);
	MUST(unlink(link));
	cr_assert_eq(broker_add_door(&p.b, "link"), 0);
	cr_assert_eq(dir_entries(elsewhere), 2);
	MUST(rmdir(elsewhere));
	p.fds += 2;	/* its directory and its listener */
	p.parent_fds = parent_fds_at_rest(&p.b);
	place_end(&p);
}
