include(CTest)  # BUILD_TESTING

# Installs exactly the listed files, under the paths they are listed with.
macro(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(standin "WITH_GENERIC_TESTS;WITH_SUBDIR;VERBOSE" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  if(standin_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "slicerMacroBuildScriptedModule does not know: ${standin_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT standin_NAME OR NOT standin_SCRIPTS)
    message(FATAL_ERROR "slicerMacroBuildScriptedModule needs NAME and SCRIPTS")
  endif()
  foreach(standin_file IN LISTS standin_SCRIPTS standin_RESOURCES)
    if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${standin_file})
      message(FATAL_ERROR "${standin_file} is listed, but does not exist")
    endif()
    get_filename_component(standin_folder ${standin_file} DIRECTORY)
    install(FILES ${standin_file} DESTINATION ${Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR}/${standin_folder})
  endforeach()
  if(BUILD_TESTING AND standin_WITH_GENERIC_TESTS)
    slicer_add_python_unittest(SCRIPT ${standin_NAME}GenericTest.py TESTNAME_PREFIX nomainwindow_)
  endif()
endmacro()

# Registers what Slicer's own would: its unittest runner on the script's folder.
macro(slicer_add_python_unittest)
  cmake_parse_arguments(standin_test "" "TESTNAME_PREFIX;SCRIPT" "SLICER_ARGS" ${ARGN})
  if(standin_test_UNPARSED_ARGUMENTS OR NOT standin_test_SCRIPT)
    message(FATAL_ERROR "slicer_add_python_unittest needs SCRIPT and does not know: ${standin_test_UNPARSED_ARGUMENTS}")
  endif()
  get_filename_component(standin_test_name ${standin_test_SCRIPT} NAME_WE)
  add_test(
    NAME py_${standin_test_TESTNAME_PREFIX}${standin_test_name}
    COMMAND ${Slicer_LAUNCHER_EXECUTABLE} ${standin_test_SLICER_ARGS} --python-code
    "import slicer.testing; slicer.testing.runUnitTest(['${CMAKE_CURRENT_SOURCE_DIR}'], '${standin_test_name}')"
    )
endmacro()
