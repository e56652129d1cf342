# How the addon is linked, and with TENFOLD_PORTABLE the tests too: only Node's entry points leave the file, and what it
# needs of the machine it runs on is Node's own needs. scripts/prebuilds/check.mjs looks at the outcome.
include(CheckLinkerFlag)

if(APPLE)
  target_link_options(tenfold PRIVATE "SHELL:-undefined dynamic_lookup" -Wl,-dead_strip
    "-Wl,-exported_symbols_list,${CMAKE_CURRENT_SOURCE_DIR}/cmake/exports.txt")
elseif(MINGW)
  # What Node exports, as an import library: from the list that node-api-headers carries.
  execute_process(COMMAND node -p "require('node-api-headers').def_paths.node_api_def"
    WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
    OUTPUT_VARIABLE node_api_def OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(dlltool UNIX_COMMAND "${CMAKE_DLLTOOL}")
  execute_process(COMMAND ${dlltool} -m i386:x86-64 -d ${node_api_def} -l ${CMAKE_CURRENT_BINARY_DIR}/libnode.a
    COMMAND_ERROR_IS_FATAL ANY)
  target_link_libraries(tenfold PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/libnode.a)
  target_link_options(tenfold_core PUBLIC -static)
elseif(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
  target_link_options(tenfold PRIVATE "-Wl,--version-script=${CMAKE_CURRENT_SOURCE_DIR}/cmake/exports.map")
  set_target_properties(tenfold PROPERTIES LINK_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/cmake/exports.map")
  foreach(flag gc-sections as-needed) # zig's driver doesn't know them all
    check_linker_flag(CXX "-Wl,--${flag}" LINKER_HAS_${flag})
    if(LINKER_HAS_${flag})
      target_link_options(tenfold_core PUBLIC "-Wl,--${flag}")
    endif()
  endforeach()
  if(TENFOLD_PORTABLE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # libgcc_s stays shared: Node needs it itself, and the static one of GCC 12 wants glibc 2.35 (_dl_find_object).
    target_link_options(tenfold_core PUBLIC -static-libstdc++)
    target_sources(tenfold_core PRIVATE cmake/old_glibc.c)
    target_compile_options(tenfold_core PUBLIC "SHELL:-include ${CMAKE_CURRENT_SOURCE_DIR}/cmake/old_glibc.h")
  endif()
endif()
