// Plans at the border to JavaScript: made of frames that JavaScript owns, run on its thread or beside it.
#pragma once
#include <napi.h>

namespace tenfold {

// planCreate, planRun, planTime, planAsync.
void addPlans(Napi::Env env, Napi::Object exports);

}  // namespace tenfold
