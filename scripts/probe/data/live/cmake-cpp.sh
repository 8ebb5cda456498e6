# task: configure, build and test with cmake
# needs: cmake g++ make

cat > CMakeLists.txt <<'EOF'
cmake_minimum_required(VERSION 3.16)
project(words CXX)
set(CMAKE_CXX_STANDARD 17)
add_library(words STATIC words.cpp)
add_executable(count main.cpp)
target_link_libraries(count words)
enable_testing()
add_test(NAME counts COMMAND count one two)
install(TARGETS count DESTINATION bin)
EOF
printf '#include <string>\n#include <vector>\nsize_t count(const std::vector<std::string>& w) { return w.size(); }\n' > words.cpp
printf '#include <string>\n#include <vector>\nsize_t count(const std::vector<std::string>&);\nint main(int c, char** v) { return count({v + 1, v + c}) == 2 ? 0 : 1; }\n' > main.cpp
cmake -S . -B build -DCMAKE_BUILD_TYPE=Release
cmake --build build -j2
ctest --test-dir build --output-on-failure
cmake --install build --prefix "$PWD/out"
./out/bin/count a b
cmake --build build --target clean
rm -rf build out
