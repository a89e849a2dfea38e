// rlsctl: parse, run.

#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <variant>
#include <vector>

#include "controller/base/log.hpp"
#include "controller/ctl/commands.hpp"
#include "controller/ctl/options.hpp"

int main(int argc, char** argv) {
  rls::log::configure(rls::log::Level::warn, rls::log::Format::console);
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const auto parsed = rls::ctl::parse_command(arguments);
  if (const auto* exit = std::get_if<rls::ctl::EarlyExit>(&parsed)) {
    (exit->code == 0 ? std::cout : std::cerr) << exit->text;
    return exit->code;
  }
  const char* const no_color = std::getenv("NO_COLOR");
  const bool colours = ::isatty(STDOUT_FILENO) != 0 && (no_color == nullptr || *no_color == '\0');
  const bool asks = ::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0;
  return rls::ctl::run(std::get<rls::ctl::Command>(parsed), {std::cin, std::cout, std::cerr, asks, colours});
}
