/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tokenizer of token.h.
 */
#include "token.h"

#include <string.h>

static void advance(struct tokenizer *t, size_t n)
{
	for (; n > 0; n--, t->next++) {
		if (*t->next == '\n') {
			t->at.line++;
			t->at.column = 1;
		} else {
			t->at.column++;
		}
	}
}

static bool bare(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("._-/:@%~", c));
}

/* A string from its opening quote: its length with both quotes, or 0 and why not. */
static size_t quoted(const char *s, const char **error)
{
	char quote = *s;

	for (const char *p = s + 1; *p != '\0' && *p != '\n'; p++) {
		if (*p == quote)
			return (size_t)(p + 1 - s);
		if (*p == '\\') {
			if (quote == '"' && p[1] >= '0' && p[1] <= '9') {
				*error = "wanted the byte itself, found an escape by number";
				return 0;
			}
			if (p[1] != '\0' && p[1] != '\n')
				p++;
		} else if (quote == '"' && p[0] == '$' && p[1] == '{') {
			size_t n = strcspn(p, "}\n");

			if (p[n] != '}') {
				*error = "wanted } to end the variable's name in this line";
				return 0;
			}
			p += n;
		}
	}
	*error = quote == '"' ? "wanted a closing \" in this line" :
				"wanted a closing ' in this line";
	return 0;
}

static size_t comment(const char *s, const char **error)
{
	const char *end;

	if (*s == '#' || s[1] == '/')
		return strcspn(s, "\n");
	end = strstr(s + 2, "*/");
	if (!end)
		*error = "wanted */ to end this comment";
	return end ? (size_t)(end + 2 - s) : 0;
}

/* A bare word, up to a sign, a blank or a comment's beginning. */
static size_t word(const char *s)
{
	size_t n = 0;

	while (bare(s[n]) && !(s[n] == '/' && (s[n + 1] == '/' || s[n + 1] == '*')))
		n++;
	return n;
}

struct token token_next(struct tokenizer *t)
{
	struct token token = { .kind = TOKEN_WRONG };
	const char *s;

	advance(t, strspn(t->next, " \t\r\n"));
	s = token.text = t->next;
	token.at = t->at;
	if (*s == '\0') {
		token.kind = TOKEN_END;
	} else if (*s == '#' || (*s == '/' && (s[1] == '/' || s[1] == '*'))) {
		token.len = comment(s, &token.error);
		token.kind = token.error ? TOKEN_WRONG : TOKEN_COMMENT;
	} else if (strchr("{}=,", *s)) {
		token.len = 1;
		token.kind = TOKEN_SIGN;
	} else if (*s == '"' || *s == '\'') {
		token.len = quoted(s, &token.error);
		token.kind = token.error ? TOKEN_WRONG : TOKEN_WORD;
	} else {
		token.len = word(s);
		token.kind = token.len > 0 ? TOKEN_WORD : TOKEN_WRONG;
		/* libconfuse would take it into the word, or pass over it in silence */
		if (token.len > 0 && s[token.len] != '\0' &&
		    !strchr(" \t\r\n{}=,#", s[token.len]))
			token.kind = TOKEN_WRONG;
		if (token.kind == TOKEN_WRONG) {
			token.error = "wanted quotes around what has such a byte";
			token.byte = s[token.len];
			token.at.column += (unsigned int)token.len;
		}
	}
	advance(t, token.len);
	return token;
}

bool token_is(const struct token *token, char sign)
{
	return token->kind == TOKEN_SIGN && *token->text == sign;
}

bool token_says(const struct token *token, const char *word_wanted)
{
	return token->kind == TOKEN_WORD && strlen(word_wanted) == token->len &&
	       memcmp(token->text, word_wanted, token->len) == 0;
}
