/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the configuration by way of introd-config, as config.h says.
 */
#include "config.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "../config/output.h"
#include "../room.h"
#include "../sandbox.h"
#include "intake.h"
#include "log.h"

#define ERRORS_MAX_BYTES 16384u

#ifndef LIBEXECDIR
#define LIBEXECDIR "/usr/local/libexec/introd"
#endif

/* introd-config's own sentences, a line each. */
static void errors_log(struct intake *in)
{
	char *line = (char *)in->bytes, *end = line + in->len;

	while (line && line < end) {
		char *next = memchr(line, '\n', (size_t)(end - line));
		int len = (int)((next ? next : end) - line);

		for (int i = 0; i < len; i++)
			if (line[i] >= 0 && line[i] < ' ')
				line[i] = '?';
		if (len > 0)
			log_line(LOG_ERR, "%.*s", len, line);
		line = next ? next + 1 : end;
	}
}

static int settings_take(struct config *config, const struct wire_message *m)
{
	config->audit_said = wire_has(m, TAG_WHAT);
	config->audit = (enum audit_kind)wire_u32(m, TAG_WHAT, AUDIT_NONE);
	wire_string(m, TAG_NAME, config->user, sizeof config->user);
	wire_string(m, TAG_DIRECTORY, config->audit_path, sizeof config->audit_path);
	return 0;
}

static int frame_take(struct config *config, const uint8_t *bytes, size_t len)
{
	struct config_message *messages;
	struct wire_message m;

	/* It travels on inside a message of the channel. */
	if (len > WIRE_PACKET_MAX - WIRE_HEADER_BYTES - WIRE_TLV_BYTES ||
	    wire_parse(bytes, len, &m) < 0)
		return -EPROTO;
	if (m.head.type == CONFIG_SETTINGS)
		return settings_take(config, &m);
	if (m.head.type != WIRE_LIMIT && m.head.type != WIRE_DOOR_ADD &&
	    m.head.type != WIRE_GRANT && m.head.type != WIRE_PLACE)
		return -EPROTO;

	messages = reallocarray(config->messages, config->n + 1, sizeof *messages);
	if (!messages)
		return -ENOMEM;
	config->messages = messages;
	messages[config->n] = (struct config_message){ malloc(len), len, -1 };
	if (!messages[config->n].bytes)
		return -ENOMEM;
	memcpy(messages[config->n++].bytes, bytes, len);
	return 0;
}

static int frames_take(struct config *config, const struct intake *in)
{
	size_t at = 0;

	while (at < in->len) {
		uint32_t len;
		int r;

		if (in->len - at < sizeof len)
			return -EPROTO;
		memcpy(&len, in->bytes + at, sizeof len);
		len = le32toh(len);
		at += sizeof len;
		if (len > in->len - at)
			return -EPROTO;
		r = frame_take(config, in->bytes + at, len);
		if (r < 0)
			return r;
		at += len;
	}
	return 0;
}

/* Start introd-config on the open file; *out and *errors become our ends of its pipes. */
static int program_start(struct room *room, const struct config_source *source, int file,
			 int *out, int *errors)
{
	char *argv[] = { "introd-config", "--stdin", (char *)source->path, NULL };
	int o[2] = { -1, -1 }, e[2] = { -1, -1 }, exe = room_program("introd-config"), r;

	if (exe < 0) {
		log_line(LOG_ERR, "introd-config is neither beside introd nor in %s",
			 LIBEXECDIR);
		return exe;
	}
	r = pipe2(o, O_CLOEXEC) < 0 || pipe2(e, O_CLOEXEC) < 0 ? -errno : 0;
	if (r == 0)
		r = room_start(room, &(struct room_plan){
			.exe = exe, .argv = argv, .stdio = { file, o[1], e[1] },
			.config_sandbox = source->sandbox,
		});
	close(exe);
	close(o[1]);
	close(e[1]);
	if (r < 0) {
		close(o[0]);
		close(e[0]);
		return r;
	}
	*out = o[0];
	*errors = e[0];
	return 0;
}

static int program_run(struct config *config, const struct config_source *source, int file)
{
	struct intake in[2] = { { .fd = -1, .max = CONFIG_OUTPUT_MAX },
				{ .fd = -1, .max = ERRORS_MAX_BYTES } };
	struct room room = { 0 };
	int code = 0, status = 0, r;
	char how[128];

	r = program_start(&room, source, file, &in[0].fd, &in[1].fd);
	if (r < 0)
		return r;
	r = intake_read(in, 2);
	errors_log(&in[1]);
	if (r < 0)
		room_signal(&room, SIGKILL);
	if (r < 0)
		log_line(LOG_ERR, "%s: reading the configuration failed: %s", source->path,
			 strerror(-r));
	while (room_reap(&room, &code, &status) == -EAGAIN)
		poll(&(struct pollfd){ room.pidfd, POLLIN, 0 }, 1, -1);
	if (r == 0 && code == CLD_EXITED && status == 1) {
		r = -EINVAL;
	} else if (r == 0 && (code != CLD_EXITED || status != 0)) {
		log_line(LOG_ERR, "introd-config %s",
			 room_ended(code, status, how, sizeof how));
		r = -EPROTO;
	}
	if (r == 0) {
		r = frames_take(config, &in[0]);
		if (r < 0)
			log_line(LOG_ERR, "introd-config wrote what is no configuration; are "
				 "it and introd of one version?");
	}
	for (int i = 0; i < 2; i++) {
		close(in[i].fd);
		free(in[i].bytes);
	}
	return r;
}

int config_read(struct config *ret, const struct config_source *source)
{
	struct config config = { 0 };
	int file, r;

	file = open(source->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (file < 0 && errno == ENOENT && source->may_be_missing) {
		*ret = config;
		return 0;
	}
	if (file < 0) {
		bool without = errno == EACCES && source->may_be_missing;

		/* A $HOME that is not ours; whoever names a file is told. */
		r = -errno;
		log_line(without ? LOG_WARNING : LOG_ERR, "cannot read the configuration %s: "
			 "%s%s", source->path, strerror(-r), without ?
			 "; going on without" : "");
		if (!without)
			return r;
		*ret = config;
		return 0;
	}
	r = program_run(&config, source, file);
	close(file);
	if (r < 0)
		config_clear(&config);
	else
		*ret = config;
	return r;
}

static void message_remove(struct config *config, size_t i)
{
	free(config->messages[i].bytes);
	config->n--;
	memmove(&config->messages[i], &config->messages[i + 1],
		(config->n - i) * sizeof config->messages[0]);
}

int config_open(struct config *config)
{
	for (size_t i = 0; i < config->n; i++) {
		struct config_message *message = &config->messages[i];
		char path[CONFIG_PATH_MAX + 1];
		struct wire_message m;
		int error;

		if (wire_parse(message->bytes, message->len, &m) < 0)
			return -EPROTO;
		if (!wire_has(&m, TAG_DIRECTORY))
			continue;
		wire_string(&m, TAG_DIRECTORY, path, sizeof path);
		message->fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (message->fd >= 0)
			continue;
		error = errno;
		log_line(LOG_ERR, "the configuration names the directory %s: %s%s", path,
			 strerror(error), m.head.type == WIRE_PLACE ?
			 "; its service is left out until the next reload" : "");
		if (m.head.type != WIRE_PLACE)
			return -error;
		message_remove(config, i--);
	}
	return 0;
}

void config_clear(struct config *config)
{
	for (size_t i = 0; i < config->n; i++) {
		free(config->messages[i].bytes);
		if (config->messages[i].fd >= 0)
			close(config->messages[i].fd);
	}
	free(config->messages);
	*config = (struct config){ 0 };
}
