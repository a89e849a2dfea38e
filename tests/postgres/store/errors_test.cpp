#include "controller/postgres/errors.hpp"

#include <gmock/gmock.h>

#include "controller/base/log.hpp"

namespace rls::postgres {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Errors, EachStateHasItsKindAndReason) {
  struct Row {
    const char* sqlstate;
    ErrorKind kind;
    const char* reason;
  };
  for (const Row& row :
       {Row{"28P01", ErrorKind::transient, "AuthenticationFailed"},
        Row{"28000", ErrorKind::transient, "AuthenticationFailed"},
        Row{"3D000", ErrorKind::transient, "DatabaseMissing"},
        Row{"53300", ErrorKind::transient, "TooManyConnections"},
        Row{"53100", ErrorKind::transient, "DiskFull"}, Row{"55P03", ErrorKind::transient, "LockTimeout"},
        Row{"57014", ErrorKind::transient, "StatementTimeout"},
        Row{"57P03", ErrorKind::transient, "DatabaseStarting"},
        Row{"57P01", ErrorKind::transient, "DatabaseUnreachable"},
        Row{"25006", ErrorKind::transient, "NotPrimary"},
        Row{"42501", ErrorKind::terminal, "MissingPrivilege"},
        Row{"42P01", ErrorKind::terminal, "MissingTable"}, Row{"42703", ErrorKind::terminal, "MissingColumn"},
        Row{"40001", ErrorKind::conflict, "SerializationFailure"},
        Row{"40P01", ErrorKind::conflict, "Deadlock"}, Row{"40003", ErrorKind::in_doubt, "InDoubt"},
        Row{"", ErrorKind::transient, "DatabaseUnreachable"}}) {
    const Error error = to_error({row.sqlstate, "it said so", row.sqlstate[0] == '\0'}, "do it");
    EXPECT_EQ(error.kind, row.kind) << row.sqlstate;
    EXPECT_EQ(error.reason, row.reason) << row.sqlstate;
    EXPECT_EQ(error.message, "cannot do it: it said so");
  }
}

TEST(Errors, R_D3_NoValuesNoSecretsOneLine) {
  log::add_secret("c4n4ry-password");
  EXPECT_THAT(to_error({"22P02", "invalid input syntax for type uuid: \"row value\"", false}, "x").message,
              Not(HasSubstr("row value")));
  const Error error = to_error({"P0001", "no\x1b[31m c4n4ry-password\nDETAIL:  row value", false}, "x");
  EXPECT_THAT(error.message, Not(HasSubstr("c4n4ry")));
  EXPECT_THAT(error.message, Not(HasSubstr("row value")));
  EXPECT_THAT(error.message, Not(HasSubstr("\x1b")));
  EXPECT_LE(to_error({"P0001", std::string(100000, 'x'), false}, "x").message.size(), 400U);
}

TEST(Errors, WhoseFaultItIs) {
  for (const char* rows : {"23514", "23505", "22001", "P0001", "44000", "42501", "U1234"}) {
    EXPECT_TRUE(is_rows_own({rows, "", false})) << rows;
  }
  for (const char* general : {"55P03", "40001", "53100", "57014", "42P01", "25006", "XX000", ""}) {
    EXPECT_FALSE(is_rows_own({general, "", false})) << general;
  }
  EXPECT_FALSE(is_rows_own({"P0001", "", true}));
}

}  // namespace
}  // namespace rls::postgres
