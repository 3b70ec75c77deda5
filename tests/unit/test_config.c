/* SPDX-License-Identifier: Apache-2.0 */
/*
 * introd-config: what it makes of a good file, and the place and words of each error.
 */
#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "broker/channel.h"
#include "broker/config/output.h"
#include "harness.h"

/* Run it on a text; where is what its messages call the file. */
static void configure(struct run *ret, const char *text, size_t len)
{
	char program[PATH_BYTES];
	const char *argv[] = { program, "--stdin", "f", NULL };
	int fd = MUST(memfd_create("configuration", MFD_CLOEXEC));
	struct spawn how = { .argv = argv, .in = fd };

	program_path("introd-config", program);
	cr_assert_eq(write(fd, text, len), (ssize_t)len);
	MUST(lseek(fd, 0, SEEK_SET));
	run(ret, &how);
	close(fd);
}

/* The frames of its output, one after the other: false at the end. */
static bool frame_next(const struct run *r, size_t *at, struct wire_message *ret)
{
	uint32_t len;

	if (*at == r->out_len)
		return false;
	cr_assert_leq(*at + sizeof len, r->out_len);
	memcpy(&len, r->out + *at, sizeof len);
	len = le32toh(len);
	*at += sizeof len;
	cr_assert_leq(*at + len, r->out_len);
	cr_assert_eq(wire_parse(r->out + *at, len, ret), 0);
	*at += len;
	return true;
}

static void frame_want(const struct run *r, size_t *at, unsigned int type,
		       struct wire_message *ret)
{
	cr_assert(frame_next(r, at, ret));
	cr_assert_eq(ret->head.type, type, "type %u", ret->head.type);
}

static void string_want(const struct wire_message *m, enum wire_tag tag, const char *text)
{
	char value[WIRE_TEXT_MAX + 1];

	wire_string(m, tag, value, sizeof value);
	cr_assert_str_eq(value, text);
}

static const char good[] =
	"# the whole language\n"
	"user = broker /* a\n"
	"comment */ audit = \"/var/log/introd\"\n"
	"limits { connections = 5 held = 0 }\n"
	"uid 1000 { limits { waits = 7 references = 8 } }\n"
	"service 'redis' { place = /run/redis/redis.sock } // another\n"
	"door \"web\" # a door\n"
	"{\n"
	"\texport = yes\n"
	"\tdirectory = \"/srv/web door\"\n"
	"\tlimits { names = 1 flight = 2 }\n"
	"\tgrant db {\n"
	"\t\tservice = postgres file = .s.PGSQL.5432\n"
	"\t\trights = { \"connect\", # one\n"
	"\t\t\tserve, give, save, revoke, }\n"
	"\t\tsessions = 2 leash = yes\n"
	"\t\tlifetime = 2h uses = 3 label = \"web > is not allowed\"\n"
	"\t}\n"
	"\tgrant cache { }\n"
	"}\n"
	"door host { open = off grant x { rights = connect } }\n";

TEST(config, makes_messages)
{
	_cleanup_run_ struct run r;
	struct wire_message m;
	char text[sizeof good];
	size_t at = 0;

	memcpy(text, good, sizeof good);
	memcpy(strstr(text, " > "), " - ", 3);
	configure(&r, text, strlen(text));
	cr_assert_eq(r.status, 0, "%s", r.err);
	cr_assert_str_empty(r.err);

	frame_want(&r, &at, CONFIG_SETTINGS, &m);
	string_want(&m, TAG_NAME, "broker");
	string_want(&m, TAG_DIRECTORY, "/var/log/introd");
	cr_assert_eq(wire_u32(&m, TAG_WHAT, 9), AUDIT_FILE);
	frame_want(&r, &at, WIRE_LIMIT, &m);
	cr_assert_eq(wire_u32(&m, TAG_MAX_CONNECTIONS, 9), 5);
	cr_assert_eq(wire_u32(&m, TAG_MAX_HELD, 9), 0);
	cr_assert_not(wire_has(&m, TAG_MAX_NAMES));
	frame_want(&r, &at, WIRE_LIMIT, &m);
	cr_assert_eq(wire_u32(&m, TAG_UID, 9), 1000);
	cr_assert_eq(wire_u32(&m, TAG_MAX_WAITS, 9), 7);
	cr_assert_eq(wire_u32(&m, TAG_MAX_REFERENCES, 9), 8);
	frame_want(&r, &at, WIRE_DOOR_ADD, &m);
	string_want(&m, TAG_DOOR, "web");
	string_want(&m, TAG_DIRECTORY, "/srv/web door");
	cr_assert_eq(wire_u32(&m, TAG_EXPORT, 9), 1);
	cr_assert_not(wire_has(&m, TAG_OPEN));
	cr_assert_eq(wire_u32(&m, TAG_MAX_NAMES, 9), 1);
	cr_assert_eq(wire_u32(&m, TAG_MAX_FLIGHT, 9), 2);
	frame_want(&r, &at, WIRE_DOOR_ADD, &m);
	string_want(&m, TAG_DOOR, "host");
	cr_assert_eq(wire_u32(&m, TAG_OPEN, 9), 0);

	frame_want(&r, &at, WIRE_GRANT, &m);
	string_want(&m, TAG_NAME, "db");
	string_want(&m, TAG_DOOR, "web");
	string_want(&m, TAG_SERVICE, "postgres");
	string_want(&m, TAG_FILE, ".s.PGSQL.5432");
	string_want(&m, TAG_LABEL, "web - is not allowed");
	cr_assert_eq(wire_u32(&m, TAG_RIGHTS, 9), RIGHTS_ALL);
	cr_assert_eq(wire_u32(&m, TAG_USES, 9), 3);
	cr_assert_eq(wire_u32(&m, TAG_SESSIONS, 9), 2);
	cr_assert_eq(wire_u32(&m, TAG_LEASH, 9), 1);
	cr_assert_eq(wire_u64(&m, TAG_LIFETIME, 9), 2 * 3600 * UINT64_C(1000000));
	frame_want(&r, &at, WIRE_GRANT, &m);
	string_want(&m, TAG_NAME, "cache");
	cr_assert_not(wire_has(&m, TAG_RIGHTS));
	frame_want(&r, &at, WIRE_GRANT, &m);
	string_want(&m, TAG_DOOR, "host");
	cr_assert_eq(wire_u32(&m, TAG_RIGHTS, 9), RIGHT_CONNECT);
	frame_want(&r, &at, WIRE_PLACE, &m);
	string_want(&m, TAG_NAME, "redis");
	string_want(&m, TAG_FILE, "redis.sock");
	string_want(&m, TAG_DIRECTORY, "/run/redis");
	cr_assert_not(frame_next(&r, &at, &m));
}

TEST(config, an_empty_file_is_good)
{
	_cleanup_run_ struct run r;
	struct wire_message m;
	size_t at = 0;

	configure(&r, "", 0);
	cr_assert_eq(r.status, 0, "%s", r.err);
	frame_want(&r, &at, CONFIG_SETTINGS, &m);
	cr_assert_eq(m.present, 0);
	cr_assert_not(frame_next(&r, &at, &m));
}

/* A text, and the beginnings of the lines that it must bring. */
static const struct { const char *text; const char *errors[6]; } bad[] = {
	/* the form */
	{ "foo = 1", { "f:1:1: wanted an option: user, audit," } },
	{ "door a {\n  foo = 1\n}", { "f:2:3: wanted an option: directory, export," } },
	{ "door a { grant b { open = true } }", { "f:1:20: wanted an option: service, file," } },
	{ "door {", { "f:1:6: wanted a name after door, found \"{\"" } },
	{ "door a", { "f:1:7: wanted { after a, found the end of the file" } },
	{ "\ndoor \"a\" {\n", { "f:3:1: wanted } to close \"a\" of line 2, found the end" } },
	{ "limits = 3", { "f:1:8: wanted { after limits, found \"=\"" } },
	{ "limits a {}", { "f:1:8: wanted { after limits, found \"a\"" } },
	{ "audit none", { "f:1:7: wanted = after audit, found \"none\"" } },
	{ "audit = }", { "f:1:9: wanted a value for audit, found \"}\"" } },
	{ "/* a\nb */ }", { "f:2:6: wanted an option" } },
	{ "audit = \"x\n\"", { "f:1:9: wanted a closing \" in this line" } },
	{ "audit = 'x", { "f:1:9: wanted a closing ' in this line" } },
	{ "audit = \"\\1\"", { "f:1:9: wanted the byte itself" } },
	{ "audit = \"${x\"", { "f:1:9: wanted } to end" } },
	{ "audit = /* x", { "f:1:9: wanted */ to end" } },
	{ "audit += none", { "f:1:7: wanted quotes around what has such a byte, found +" } },
	{ "audit = \303\244", { "f:1:9: wanted quotes around what has such a byte, found byte "
				"0xc3" } },
	{ "include(\"x\")", { "f:1:8: wanted quotes around what has such a byte, found (" } },
	{ "door a { grant b { rights = { connect serve } } }", { "f:1:39: wanted , or }" } },
	{ "audit = none\naudit = none", { "f:2:1: wanted audit once" } },
	{ "limits {} limits {}", { "f:1:11: wanted limits once" } },
	{ "door a {}\ndoor b {} door a {}", { "f:2:16: door: wanted a title of its own, found "
					       "\"a\" again" } },
	{ "door a { grant b {} grant 'b' {} }", { "f:1:27: grant: wanted a title of its own" } },
	/* values, all of them in one go, in spite of comments before them */
	{ "/* one\ntwo */ # x\n\naudit = 5 limits { held = -1 names = 1000001\n waits = x }",
	  { "f:4:9: audit: wanted \"syslog\", \"none\" or", "f:4:27: held: wanted a number",
	    "f:4:38: names: wanted a number", "f:5:10: waits: wanted a number" } },
	{ "user = \"-x\"", { "f:1:8: user: wanted" } },
	{ "audit = \"/x/\"", { "f:1:9: audit: wanted" } },
	{ "audit = \"/a\\nb\"", { "f:1:9: audit: wanted" } },
	{ "door \"a/b\" {}", { "f:1:6: door: wanted a name, 1 to 64" } },
	{ "door .. {}", { "f:1:6: door: wanted a name" } },
	{ "door a { export = maybe open = 1 directory = x }",
	  { "f:1:19: export: wanted true or false, found \"maybe\"",
	    "f:1:32: open: wanted true or false", "f:1:46: directory: wanted the absolute" } },
	{ "door a { grant b { lifetime = 10 uses = 0 label = \"a>b\" service = \"\" } }",
	  { "f:1:31: lifetime: wanted a time such as 90s", "f:1:41: uses: wanted a number from 1",
	    "f:1:51: label: wanted", "f:1:67: service: wanted" } },
	{ "door a { grant b { lifetime = 0s } grant c { lifetime = 3651d } }",
	  { "f:1:31: lifetime:", "f:1:57: lifetime:" } },
	{ "door a { grant b { lifetime = 99999999999999999999s } }", { "f:1:31: lifetime:" } },
	{ "door a { grant b { rights = {connect, own} } grant c { rights = all } }",
	  { "f:1:39: rights: wanted \"connect\", \"serve\", \"give\", \"save\" or \"revoke\", found \"own\"",
	    "f:1:65: rights: wanted" } },
	{ "door a { grant b { file = intro.sock } grant c { file = .. } }",
	  { "f:1:27: file: wanted", "f:1:57: file: wanted" } },
	/* between options */
	{ "door a { grant b { file = c } grant c { } }",
	  { "f:1:37: grant: wanted a file of its own in the door, found \"c\", which is grant "
	    "\"b\"'s" } },
	{ "door a { grant intro.b {} }", { "f:1:16: grant: \"intro.b\" cannot be a file's" } },
	{ "door host { directory = /x }", { "f:1:25: directory: the host door's is said by" } },
	{ "service a {}", { "f:1:9: service: wanted place =" } },
	{ "service a { place = /run/intro.sock } service b { place = /run/ }",
	  { "f:1:21: place: wanted the absolute path of a server's", "f:1:59: place:" } },
	{ "uid nobodyofthatname {}", { "f:1:5: uid: wanted a number or the name of a user" } },
	{ "uid 4294967295 {}", { "f:1:5: uid: wanted" } },
};

TEST(config, says_where_and_what_is_wrong)
{
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		_cleanup_run_ struct run r;
		const char *line;
		size_t n = 0;

		configure(&r, bad[i].text, strlen(bad[i].text));
		cr_assert_eq(r.status, 1, "%s: status %d", bad[i].text, r.status);
		cr_assert_eq(r.out_len, 0, "%s: something was written", bad[i].text);
		line = r.err;
		for (; n < 6 && bad[i].errors[n]; n++) {
			cr_assert_eq(strncmp(line, bad[i].errors[n], strlen(bad[i].errors[n])),
				     0, "%s\nwanted %s\nfound  %s", bad[i].text,
				     bad[i].errors[n], line);
			line += strcspn(line, "\n");
			cr_assert_eq(*line++, '\n');
		}
		cr_assert_str_empty(line, "%s: one more: %s", bad[i].text, line);
	}
}

TEST(config, refuses_a_zero_byte)
{
	_cleanup_run_ struct run r;

	configure(&r, "\naudit\0= none", 13);
	cr_assert_eq(r.status, 1);
	cr_assert_str_eq(r.err, "f:2:6: wanted text, found a zero byte\n");
}

TEST(config, reads_one_mebibyte_and_no_more)
{
	_cleanup_run_ struct run r, s;
	char *text = malloc(CONFIG_FILE_MAX + 1);

	memset(text, ' ', CONFIG_FILE_MAX + 1);
	configure(&r, text, CONFIG_FILE_MAX);
	cr_assert_eq(r.status, 0, "%s", r.err);
	configure(&s, text, CONFIG_FILE_MAX + 1);
	cr_assert_eq(s.status, 1);
	cr_assert_str_eq(s.err, "f:1:1: wanted at most 1048576 bytes, found more\n");
	free(text);
}

TEST(config, bounds_the_number_of_statements)
{
	_cleanup_run_ struct run r;
	char *text = malloc(CONFIG_FILE_MAX), *p = text;

	for (int i = 0; i < 20001; i++)
		p += sprintf(p, "door d%d {}\n", i);
	configure(&r, text, (size_t)(p - text));
	cr_assert_eq(r.status, 1);
	cr_assert_eq(strncmp(r.err, "f:20001:6: wanted at most 20000", 31), 0, "%s", r.err);
	free(text);
}

TEST(config, check_reads_a_file_and_teaches_its_place)
{
	_cleanup_run_ struct run r, s, t;
	char dir[DIR_BYTES], path[DIR_BYTES + 16], program[PATH_BYTES], want[DIR_BYTES + 64];
	const char *argv[] = { program, "--check", path, NULL };
	struct spawn how = { .argv = argv };

	program_path("introd", program);
	dir_make(dir);
	snprintf(path, sizeof path, "%s/introd.conf", dir);
	file_write(path, "limits {\n\tnames = many\n}\n");
	run(&r, &how);
	cr_assert_eq(r.status, 1);
	snprintf(want, sizeof want, "%s:2:10: names: wanted", path);
	cr_assert_eq(strncmp(r.err, want, strlen(want)), 0, "%s", r.err);
	file_write(path, "limits {\n\tnames = 5\n}\n");
	run(&s, &how);
	cr_assert_eq(s.status, 0);
	cr_assert_str_empty(s.err);
	cr_assert_str_empty(s.out);
	dir_remove(dir);
	run(&t, &how);
	cr_assert_eq(t.status, 1);
	cr_assert_not_null(strstr(t.err, "cannot read it"));
}
