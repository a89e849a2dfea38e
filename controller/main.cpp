// rls-operator: parse, wire, run.

#include <unistd.h>

#include <cstdio>
#include <string>
#include <variant>
#include <vector>

#include "controller/app/operator.hpp"
#include "controller/app/options.hpp"

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const auto parsed = rls::app::parse_options(arguments, ::isatty(STDERR_FILENO) == 1);
  if (const auto* exit = std::get_if<rls::app::EarlyExit>(&parsed)) {
    std::fputs(exit->text.c_str(), exit->code == 0 ? stdout : stderr);
    return exit->code;
  }
  return rls::app::run(std::get<rls::app::Options>(parsed));
}
