/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The picture of ladder.h.
 */
#include "ladder.h"

#include <stdlib.h>

#include "../../libintro/punch/probe.h"

#define WIDTH 13u
#define ALIKE 3u	/* lines of a kind before the rest is only counted */

struct line {
	uint64_t sent_us, ended_us;
	uint32_t id;
	int from, at;			/* columns */
	uint16_t ports[SIM_COLUMNS];	/* of who sent it, as each column passes it on; 0: none */
	uint16_t len;
	uint8_t first;
	struct address to;
	enum sim_verdict verdict;
	bool ended, between;		/* between: it ended in a network */
	char note[64];			/* instead of a packet */
};

struct sim_ladder {
	const struct sim_scene *scene;
	struct line *lines;
	size_t n, size;
	size_t *by_id;			/* lines */
	size_t ids;
};

static int column_of(const struct sim_ladder *l, const struct sim_box *box)
{
	int core = 0;

	for (unsigned int i = 0; i < l->scene->columns_n; i++) {
		if (!l->scene->columns[i])
			core = (int)i;
		else if (l->scene->columns[i] == box)
			return (int)i;
	}
	return core;
}

static struct line *add_line(struct sim_ladder *l, const struct sim_step *step)
{
	struct line *line;

	if (l->n == l->size) {
		l->size = l->size ? l->size * 2 : 1024;
		l->lines = reallocarray(l->lines, l->size, sizeof *l->lines);
		if (!l->lines)
			abort();
	}
	line = &l->lines[l->n++];
	*line = (struct line){ .sent_us = step->now_us, .from = column_of(l, step->box) };
	line->at = line->from;
	return line;
}

static void begin(struct sim_ladder *l, const struct sim_step *step)
{
	const struct sim_packet *p = step->packet;
	struct line *line = add_line(l, step);
	size_t ids = l->ids ? l->ids : 1024;

	while (ids <= p->id)
		ids *= 2;
	if (ids > l->ids) {
		l->by_id = reallocarray(l->by_id, ids, sizeof *l->by_id);
		if (!l->by_id)
			abort();
		l->ids = ids;
	}
	l->by_id[p->id] = l->n - 1;
	line->id = p->id;
	line->len = p->len;
	line->first = p->len > 0 ? p->bytes[0] : 0;
	line->to = p->dst;
	line->ports[line->from] = p->src.port;
}

static void look(void *arg, const struct sim_step *step)
{
	struct sim_ladder *l = arg;
	struct line *line;

	if (step->note) {
		line = add_line(l, step);
		snprintf(line->note, sizeof line->note, "%s", step->note);
		return;
	}
	if (step->sent) {
		begin(l, step);
		return;
	}
	if (step->packet->id >= l->ids)
		return;
	line = &l->lines[l->by_id[step->packet->id]];
	line->verdict = step->verdict;
	line->ended_us = step->now_us;
	line->ended = step->verdict != SIM_FORWARD && step->verdict != SIM_HAIRPIN;
	line->between = !step->box;
	line->at = column_of(l, step->box);
	if (!line->ended)
		line->ports[line->at] = step->packet->src.port;
}

static const char *kind_word(const struct line *line, char buf[static 16])
{
	static const struct {
		uint8_t first;
		const char *word;
	} kinds[] = {
		{ PROBE_CHECK, "check" }, { PROBE_REPLY, "reply" }, { PROBE_OPENER, "opener" },
		{ RELAY_HELLO, "hello" }, { RELAY_COOKIE, "cookie" }, { RELAY_BIND, "bind" },
		{ RELAY_BOUND, "bound" }, { RELAY_DATA, "relayed" }, { RELAY_REFUSED, "refused" },
		{ RELAY_CLOSE, "close" }, { 0, "stun" }, { 1, "stun ok" },
	};

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		if (kinds[i].first == line->first)
			return kinds[i].word;
	}
	if (line->first >= 64)
		return "data";
	snprintf(buf, 16, "0x%02x", line->first);
	return buf;
}

static void put(char *row, size_t at, const char *text, size_t len)
{
	for (size_t i = 0; i < len && text[i]; i++)
		row[at + i] = text[i];
}

static void draw_row(const struct sim_ladder *l, const struct line *line, char *row)
{
	size_t from = (size_t)line->from * WIDTH + 2, to = (size_t)line->at * WIDTH + 2, low, high;
	char port[8];

	low = from < to ? from : to;
	high = from < to ? to : from;
	for (unsigned int i = 0; i < l->scene->columns_n; i++)
		row[i * WIDTH + 2] = '|';
	for (size_t i = low; i <= high && !line->note[0]; i++)
		row[i] = '-';
	for (unsigned int i = 0; i < l->scene->columns_n && !line->note[0]; i++) {
		if (line->ports[i] == 0)
			continue;
		snprintf(port, sizeof port, "%u", line->ports[i]);
		put(row, (size_t)i * WIDTH, port, sizeof port);
	}
	if (line->note[0])
		row[from] = '*';
	else if (line->ended && line->verdict != SIM_DELIVERED)
		row[to] = 'X';
	else if (line->ended)
		row[to] = from < to ? '>' : '<';
}

static void draw_line(const struct sim_ladder *l, const struct line *line, FILE *out)
{
	char row[SIM_COLUMNS * WIDTH + 16], to[ADDRESS_TEXT_BYTES], buf[16];
	unsigned int width = l->scene->columns_n * WIDTH;

	memset(row, ' ', sizeof row);
	row[width] = '\0';
	draw_row(l, line, row);
	row[width] = '\0';
	fprintf(out, "%10.3f  %s ", (double)line->sent_us / 1000, row);
	if (line->note[0])
		fprintf(out, "%s: %s\n", l->scene->titles[line->from], line->note);
	else
		fprintf(out, "%-7s %4u to %s: %s%s%s %.3f\n", kind_word(line, buf), line->len,
			address_format(&line->to, to),
			line->ended && line->verdict != SIM_DELIVERED ? "dropped, " : "",
			line->ended ? sim_verdict_word(line->verdict) : "on its way",
			line->between ? " (in the network)" : "", (double)line->ended_us / 1000);
}

/* Whether two lines say much the same. */
static bool is_alike(const struct line *a, const struct line *b)
{
	return !a->note[0] && !b->note[0] && a->from == b->from && a->at == b->at &&
	       a->first == b->first && a->verdict == b->verdict && a->len == b->len;
}

void sim_ladder_draw(const struct sim_ladder *l, uint64_t from_us, FILE *out)
{
	unsigned int alike = 0;

	fprintf(out, "%10s  ", "ms");
	for (unsigned int i = 0; i < l->scene->columns_n; i++)
		fprintf(out, "%-*s", (int)WIDTH, l->scene->titles[i]);
	fputc('\n', out);
	for (size_t i = 0; i < l->n; i++) {
		if (l->lines[i].sent_us < from_us)
			continue;
		alike = i > 0 && is_alike(&l->lines[i], &l->lines[i - 1]) ? alike + 1 : 0;
		if (alike < ALIKE)
			draw_line(l, &l->lines[i], out);
		else if (i + 1 == l->n || !is_alike(&l->lines[i], &l->lines[i + 1]))
			fprintf(out, "%10s  ... %u more alike, until %.3f\n", "", alike - ALIKE + 1,
				(double)l->lines[i].sent_us / 1000);
	}
}

struct sim_ladder *sim_ladder_new(struct sim_scene *scene)
{
	struct sim_ladder *l = sim_alloc(1, sizeof *l);

	l->scene = scene;
	sim_world_watch(scene->world, look, l);
	return l;
}

void sim_ladder_free(struct sim_ladder *l)
{
	free(l->lines);
	free(l->by_id);
	free(l);
}
