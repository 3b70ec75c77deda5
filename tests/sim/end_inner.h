/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One end of an introduction from inside. For end.c and end_drive.c only.
 */
#pragma once

#include "end.h"

#define SIM_DATA_BYTE 64u	/* the first byte of what is not the engine's */
#define SIM_DATA_BYTES 100u	/* that byte, the moment of sending, nothing */

/* A socket of one of the two machines. */
struct sim_slot {
	struct sim_end *end;
	struct sim_socket *socket;
	uint16_t number;
	bool survey;
};

/* A signal on its way. */
struct sim_letter {
	struct sim_end *from, *to;
	size_t len;
	uint8_t bytes[OUTPUT_BYTES_MAX];
};

/* end_drive.c */
struct sim_slot *sim_slot_open(struct sim_end *end, uint16_t number, uint8_t family,
			       enum output_bind bind, int *ret_error);
struct sim_slot *sim_slot_find(const struct sim_end *end, uint16_t number);
void sim_slot_close(struct sim_end *end, uint16_t number);
/* Carry out what the machine wants, and wait for its deadline. After each call of it. */
void sim_end_drain(struct sim_end *end);
