/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words and signs of a configuration's text, as libconfuse's lexer sees them. For
 * outline.c.
 */
#pragma once

#include "outline.h"

enum token_kind {
	TOKEN_END,		/* of the text */
	TOKEN_WORD,		/* bare or in quotes */
	TOKEN_SIGN,		/* one of { } = , */
	TOKEN_COMMENT,
	TOKEN_WRONG,		/* cannot stand in a configuration: error says why */
};

struct token {
	enum token_kind kind;
	struct place at;
	const char *text;	/* with its quotes */
	size_t len;
	const char *error;
	char byte;		/* that error is about this byte, which stands at .at; or 0 */
};

struct tokenizer {
	const char *next;
	struct place at;
};

struct token token_next(struct tokenizer *t);

/* Whether it is this sign; whether it is this word, bare. */
bool token_is(const struct token *token, char sign);
bool token_says(const struct token *token, const char *word);
